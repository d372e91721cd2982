import { Big } from 'big.js'
import { createFieldReader, type FieldProblem, isRecord } from '../channels/contract/field-reader.ts'
import type { Reservation } from '../channels/contract/reservation.ts'
import { storableText } from '../platform/storable-text.ts'
import {
  type BookingColumns,
  type BookingDraft,
  columnsOf,
  draftBooking,
  type MappedListing,
  type MappingProblem,
} from './booking-draft.ts'
import {
  type Calculation,
  type CalculationResult,
  compileCalculation,
  newMeter,
} from './calculation/calculation.ts'
import { calculationInput } from './calculation/calculation-input.ts'
import { type Converted, convertColumn, convertDefault, convertValue } from './convert-value.ts'
import {
  type BookingRule,
  type BookingTarget,
  bookingTargets,
  type FieldRule,
  type MappingSpec,
  type ValueSource,
} from './mapping-spec.ts'
import { customFieldValue, linesNamed, stayDayKeys } from './reservation-rows.ts'

/** A compiled spec, reused for every reservation; immutable. */
export type CompiledMapping = {
  version: number
  booking: Array<{ target: BookingTarget; rule: BookingRule; calculation: Calculation | undefined }>
  fields: Array<{ target: string; rule: FieldRule; calculation: Calculation | undefined }>
}

export type MappedReservation = { draft: BookingDraft; problems: MappingProblem[] }

/** Prepares a spec that `checkSpec` has accepted. */
export function compileMapping(spec: MappingSpec, version: number): CompiledMapping {
  const calculationOf = ({ calculate }: ValueSource) =>
    calculate === undefined ? undefined : (compileCalculation(calculate) ?? unusableCalculation)
  return {
    version,
    booking: Object.entries(spec.booking ?? {}).map(([target, rule]) => ({
      target: target as BookingTarget,
      rule,
      calculation: calculationOf(rule),
    })),
    fields: Object.entries(spec.fields ?? {}).map(([target, rule]) => ({
      target,
      rule,
      calculation: calculationOf(rule),
    })),
  }
}

// A later release may refuse a calculation that was accepted before; report it instead of failing the reservation.
const unusableCalculation: Calculation = async () => ({
  ok: false,
  code: 'calculation_failed',
  message: 'is not a calculation that can be used any more',
})

/**
 * Maps a reservation by a connection's spec, or by the default rules where it has none (version 0). What cannot be
 * mapped is a problem if it is required and a warning if it is not; it never throws. `listing` is undefined where the
 * connector does not know it.
 */
export async function mapReservation(
  mapping: CompiledMapping | undefined,
  reservation: Reservation,
  listing: MappedListing | undefined,
): Promise<MappedReservation> {
  if (mapping === undefined) return draftBooking(reservation, listing)
  const values = await findValues(mapping, reservation, listing)
  const problems: MappingProblem[] = []
  const warnings: MappingProblem[] = []
  const settle = (target: string, rule: BookingRule, found: Converted, fallback: Converted) =>
    settleValue({ target, rule, found, fallback, problems, warnings })

  const columns: BookingColumns = { ...columnsOf(reservation) }
  for (const { target, rule } of mapping.booking) {
    const type = bookingTargets[target]
    const found = converted(values.get(rule), (raw) => convertColumn(type, raw))
    // A booking with a wrong amount would be a wrong booking.
    const decisive = { ...rule, required: rule.required === true || ('code' in found && decides(target)) }
    const value = settle(target, decisive, found, convertColumn(type, rule.default))
    Object.assign(columns, { [target]: value })
  }
  const mapped = draftBooking(reservation, listing, {
    columns,
    replaced: new Set(mapping.booking.map(({ target }) => target)),
  })
  const fields: Record<string, unknown> = {}
  for (const { target, rule } of mapping.fields) {
    const { currency } = mapped.draft
    const found = converted(values.get(rule), (raw) => convertValue(rule, raw, currency))
    fields[target] = settle(`fields.${target}`, rule, found, convertDefault(rule, rule.default, currency))
  }
  return {
    draft: { ...mapped.draft, fields, mappingVersion: mapping.version, warnings },
    problems: [...mapped.problems, ...problems],
  }
}

type Found = { raw: unknown } | { code: string; message: string }

function converted(found: Found | undefined, convert: (raw: unknown) => Converted): Converted {
  return found === undefined || 'raw' in found ? convert(found?.raw) : found
}

function decides(target: BookingTarget): boolean {
  return target === 'amountTotal' || target === 'currency'
}

function settleValue({
  target,
  rule,
  found,
  fallback,
  problems,
  warnings,
}: {
  target: string
  rule: BookingRule
  found: Converted
  fallback: Converted
  problems: MappingProblem[]
  warnings: MappingProblem[]
}): unknown {
  const value = 'value' in found ? found.value : null
  if (value !== null) return value
  const instead = 'value' in fallback ? fallback.value : null
  const list = instead === null && rule.required === true ? problems : warnings
  // Messages repeat text of the spec and of values, and are stored.
  const message = (text: string) => storableText(`${describeSource(rule)} ${text}`)
  if ('code' in found) list.push({ field: target, code: found.code, message: message(found.message) })
  else if (instead === null && rule.required === true) {
    problems.push({ field: target, code: 'missing', message: message('is missing') })
  }
  return instead
}

function describeSource(rule: ValueSource): string {
  if (rule.from !== undefined) return [rule.from].flat().join(' or ')
  if (rule.customField !== undefined) return `custom field ${rule.customField}`
  if (rule.financeField !== undefined) return `finance field ${rule.financeField}`
  return rule.calculate === undefined ? 'the constant' : 'the calculation'
}

// Calculations run first, because only they take time.
async function findValues(
  mapping: CompiledMapping,
  reservation: Reservation,
  listing: MappedListing | undefined,
): Promise<Map<BookingRule, Found>> {
  const values = new Map<BookingRule, Found>()
  const rules = [...mapping.booking, ...mapping.fields]
  const calculated = rules.filter(({ calculation }) => calculation !== undefined)
  for (const { rule, calculation } of rules) {
    if (calculation === undefined) values.set(rule, findValue(rule, reservation))
  }
  if (calculated.length === 0) return values
  const meter = newMeter()
  const input = calculationInput(reservation, listing, meter)
  for (const { rule, calculation } of calculated) {
    const result: CalculationResult | undefined =
      input === undefined ? reservationTooLarge : await calculation?.(input, meter)
    if (result !== undefined) values.set(rule, result.ok ? { raw: result.value } : result)
  }
  await giveWay(meter.steps)
  return values
}

const reservationTooLarge: CalculationResult = {
  ok: false,
  code: 'calculation_too_large',
  message: 'looks at a reservation that is too large',
}
const stepsInARow = 500

// A costly spec of one tenant must not block the other work of this process.
async function giveWay(steps: number): Promise<void> {
  if (steps > stepsInARow) await new Promise((resolve) => setImmediate(resolve))
}

function findValue(rule: ValueSource, reservation: Reservation): Found {
  if (rule.constant !== undefined) return { raw: rule.constant }
  if (rule.financeField !== undefined) return sumLines(reservation.financeFields ?? [], rule.financeField)
  if (rule.customField !== undefined) {
    return { raw: customFieldValue(reservation.customFieldValues ?? [], rule.customField) }
  }
  const paths = rule.from === undefined ? [] : [rule.from].flat()
  for (const path of paths) {
    // Without dates both days may be anything.
    if (reservation.datesUnspecified && stayDayKeys(reservation.format).includes(path)) continue
    const raw = valueAt(reservation, path)
    if (!isBlank(raw)) return { raw: raw ?? null }
  }
  return { raw: null }
}

function valueAt(reservation: Reservation, path: string): unknown {
  const { source, format } = reservation
  const [first = '', ...deeper] = path.split('.')
  const spelled = [first, ...format.keysOf(first)]
    .filter((name) => Object.hasOwn(source, name))
    .map((name) => source[name])
    .find((one) => !isBlank(one))
  // A draft of TVL's has no body, and what a body left empty may have been read from its parts.
  const part = spelled === undefined ? format.partOf(format.fieldOf(first)) : undefined
  let value: unknown = part === undefined ? spelled : reservation[part]
  for (const name of deeper) value = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return value
}

function isBlank(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === 'string' && value.trim() === '')
}

function sumLines(lines: Record<string, unknown>[], name: string): Found {
  const named = linesNamed(lines, name)
  if (named.length === 0) return { raw: null }
  let sum = new Big(0)
  for (const line of named) {
    const problems: FieldProblem[] = []
    const total = createFieldReader(line, problems).amount('total')
    if (problems.length > 0) return { code: 'not_a_number', message: 'has a total that is not a number' }
    sum = sum.plus(total ?? 0)
  }
  return { raw: sum.toFixed() }
}
