import jsonata from 'jsonata'
import { findCalculationProblems } from './calculation-rules.ts'
import { dayAfter, nightsFrom } from './day-functions.ts'

/** The maximum cost of all calculations of a reservation, and the maximum size of an intermediate value. */
export const calculationLimits = {
  steps: 5_000,
  depth: 100,
  items: 1_000,
  /** Characters of a text, and values inside a value at any depth. */
  size: 5_000,
  milliseconds: 1_000,
} as const

/** The cost of a reservation's calculations so far. */
export type Meter = {
  steps: number
  /** Number of values inside a value. */
  sizes: WeakMap<object, number>
  /** What was there before anything was calculated; it may be larger than what a calculation may make. */
  given: WeakSet<object>
}

export type CalculationResult =
  | { ok: true; value: string | number | boolean | null }
  | { ok: false; code: CalculationFailure; message: string }

export type CalculationFailure = 'calculation_failed' | 'calculation_too_long' | 'calculation_too_large'

export type Calculation = (input: object, meter: Meter) => Promise<CalculationResult>

type Stop = { stop: CalculationFailure; message: string }

const meterName = '!meter'
const tooLong: Stop = { stop: 'calculation_too_long', message: 'takes too many steps' }
const tooDeep: Stop = { stop: 'calculation_too_large', message: 'goes too deep' }
const tooLarge: Stop = { stop: 'calculation_too_large', message: 'makes a value that is too large' }
// JSONata's own guards: depth, time, and the length of a range or a sequence.
const guards: Record<string, Stop> = { D1011: tooDeep, D1012: tooLong, D2014: tooLarge, D2015: tooLarge }

export function newMeter(): Meter {
  return { steps: 0, sizes: new WeakMap(), given: new WeakSet() }
}

/**
 * Prepares an expression that `findCalculationProblems` has no objection to; undefined where it has. The result
 * never throws, ends within `calculationLimits`, which count steps so that a busy machine changes no result, and
 * gives the same value for the same input.
 */
export function compileCalculation(expression: string): Calculation | undefined {
  if (findCalculationProblems(expression).length > 0) return undefined
  const { depth: stack, items: sequence, milliseconds: timeout } = calculationLimits
  const compiled = jsonata(expression, { stack, sequence, timeout })
  compiled.registerFunction('daysBetween', nightsFrom, '<s-s:n>')
  compiled.registerFunction('addDays', dayAfter, '<s-n:s>')
  compiled.assign(Symbol.for('jsonata.__evaluate_entry') as unknown as string, countStep)
  compiled.assign(Symbol.for('jsonata.__evaluate_exit') as unknown as string, checkSize)
  return async (input, meter) => {
    try {
      return readResult(await compiled.evaluate(input, { [meterName]: meter }))
    } catch (error) {
      return describeFailure(error)
    }
  }
}

type Frame = { lookup(name: string): unknown }

function countStep(_node: unknown, _input: unknown, frame: Frame): void {
  const meter = frame.lookup(meterName) as Meter
  meter.steps += 1
  if (meter.steps > calculationLimits.steps) throw tooLong
}

// Every value passes here before anything larger is made of it, so that none can double again and again. Large ones
// cost more, because functions and comparisons look through them.
function checkSize(_node: unknown, _input: unknown, frame: Frame, value: unknown): void {
  const meter = frame.lookup(meterName) as Meter
  const size = typeof value === 'string' ? value.length : sizeOf(value, meter.sizes)
  if (size > calculationLimits.size && !isGiven(value, meter)) throw tooLarge
  meter.steps += size >> 5
}

function isGiven(value: unknown, { given }: Meter): boolean {
  return typeof value === 'object' && value !== null && given.has(value)
}

function sizeOf(value: unknown, known: WeakMap<object, number>): number {
  if (typeof value === 'string') return 1 + (value.length >> 4)
  if (typeof value !== 'object' || value === null) return 1
  const found = known.get(value)
  if (found !== undefined) return found
  let size = 1
  // A function that is about to be called is no data; some refer to themselves.
  if (!('_jsonata_function' in value)) {
    for (const inner of Array.isArray(value) ? value : Object.values(value)) {
      size += sizeOf(inner, known)
      if (size > calculationLimits.size) break
    }
  }
  known.set(value, size)
  return size
}

function readResult(value: unknown): CalculationResult {
  if (value === undefined || value === null) return { ok: true, value: null }
  if (typeof value === 'string' || typeof value === 'boolean') return { ok: true, value }
  if (typeof value === 'number' && Number.isFinite(value)) return { ok: true, value }
  return { ok: false, code: 'calculation_failed', message: 'gives no single value' }
}

// JSONata throws objects of its own with a code; a RangeError is a text or a stack beyond what the engine can hold.
function describeFailure(error: unknown): CalculationResult {
  const { stop, code, message } = (typeof error === 'object' && error !== null ? error : {}) as Record<
    string,
    unknown
  >
  const known = stop === undefined ? guards[String(code)] : (error as Stop)
  if (known !== undefined) return { ok: false, code: known.stop, message: known.message }
  if (error instanceof RangeError) return { ok: false, code: tooLarge.stop, message: tooLarge.message }
  return {
    ok: false,
    code: 'calculation_failed',
    message: typeof message === 'string' ? `fails: ${message.slice(0, 200)}` : 'cannot be carried out',
  }
}
