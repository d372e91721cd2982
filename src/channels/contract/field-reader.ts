import { Big } from 'big.js'
import { isDay } from '../../platform/days.ts'
import { storableText } from '../../platform/storable-text.ts'

/** Something about a field of the channel's that a person may have to look at. `field` is the name the channel uses. */
export type FieldProblem = { field: string; code: ProblemCode; message: string }

export type ProblemCode =
  | 'wrong_type'
  | 'not_a_number'
  | 'out_of_range'
  | 'not_a_day'
  | 'not_an_instant'
  | 'not_a_currency'
  | 'not_a_time_zone'
  | 'nested_too_deeply'
  | 'missing'

/** `undefined` = the key is absent or unusable (then there is a problem), `null` = sent as null or blank. */
export type Read<Value> = Value | null | undefined

const maxInteger = 2_147_483_647
const maxAmount = new Big('1e15')
const amountDigits = 8
const maxId = 128

function isBlank(value: unknown): boolean {
  return value === null || (typeof value === 'string' && value.trim() === '')
}

export type FieldReader = ReturnType<typeof createFieldReader>

/** Reads the fields of one object of the channel's; whatever has the wrong type becomes a problem, never a throw. */
export function createFieldReader(source: Record<string, unknown>, problems: FieldProblem[]) {
  function report(field: string, code: ProblemCode, message: string): undefined {
    problems.push({ field, code, message })
    return undefined
  }

  // The first spelling that carries a value wins; null or blank under one spelling gives way to a value under another.
  function find(names: readonly string[]): { field: string; value: unknown } | undefined {
    let blank: { field: string; value: unknown } | undefined
    for (const field of names) {
      if (!Object.hasOwn(source, field) || source[field] === undefined) continue
      const found = { field, value: source[field] }
      if (!isBlank(found.value)) return found
      blank ??= found
    }
    return blank
  }

  function read<Value>(
    names: readonly string[],
    parse: (value: unknown, field: string) => Value | undefined,
  ): Read<Value> {
    const found = find(names)
    if (found === undefined) return undefined
    if (isBlank(found.value)) return null
    return parse(found.value, found.field)
  }

  return {
    report,
    has: (...names: string[]) => find(names) !== undefined,

    id: (...names: string[]): Read<string> =>
      read(names, (value, field) => idText(value) ?? report(field, 'wrong_type', 'is not an id')),

    text: (...names: string[]): Read<string> =>
      read(names, (value, field) => {
        if (typeof value === 'number' && Number.isFinite(value)) return String(value)
        if (typeof value !== 'string') return report(field, 'wrong_type', 'is not text')
        return storableText(value).trim()
      }),

    count: (...names: string[]): Read<number> =>
      read(names, (value, field) => {
        const number = numberFrom(value)
        if (number === undefined) return report(field, 'not_a_number', 'is not a number')
        if (!Number.isInteger(number)) return report(field, 'not_a_number', 'is not a whole number')
        if (number < 0 || number > maxInteger) return report(field, 'out_of_range', 'is out of range')
        // JSON knows a -0.
        return Math.max(0, number)
      }),

    flag: (...names: string[]): Read<boolean> =>
      read(names, (value, field) => {
        const flag = flagFrom(value)
        return flag === undefined ? report(field, 'wrong_type', 'is neither 0 nor 1') : flag
      }),

    amount: (...names: string[]): Read<string> =>
      read(names, (value, field) => {
        const amount = decimalFrom(value)
        if (amount === undefined) return report(field, 'not_a_number', 'is not a decimal number')
        if (amount.abs().gte(maxAmount)) return report(field, 'out_of_range', 'is out of range')
        const text = amount.round(amountDigits, Big.roundHalfUp).toFixed()
        return text === '-0' ? '0' : text
      }),

    day: (...names: string[]): Read<string> =>
      read(
        names,
        (value, field) => calendarDay(value) ?? report(field, 'not_a_day', 'is not a day of the calendar'),
      ),

    instant: (...names: string[]): Date | undefined =>
      read(
        names,
        (value, field) => instantFrom(value) ?? report(field, 'not_an_instant', 'is not a date with a time'),
      ) ?? undefined,

    currency: (...names: string[]): Read<string> =>
      read(names, (value, field) => {
        const code = typeof value === 'string' ? value.trim().toUpperCase() : ''
        return /^[A-Z]{3}$/.test(code) ? code : report(field, 'not_a_currency', 'is not a currency code')
      }),

    rows: (...names: string[]): Read<unknown[]> =>
      read(names, (value, field) =>
        Array.isArray(value) ? value : report(field, 'wrong_type', 'is not a list'),
      ),
  }
}

/** The text of an id: whole positive numbers and short printable texts; anything else is no id. */
export function idText(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value > 0 ? String(value) : undefined
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  return text.length > 0 && text.length <= maxId && /^[\x21-\x7e]+$/.test(text) ? text : undefined
}

/** Whether a value is an object with named fields (no array, not null). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `YYYY-MM-DD` of a text that names a real day; a time behind it is cut off without any shift of zone. */
export function calendarDay(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const match = /^([\d-]{10})(?:[T ][\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?$/.exec(value.trim())
  const day = match?.[1]
  // Before 1900 lie the years that programs write for "no day".
  return isDay(day) && day >= '1900' ? day : undefined
}

/** The instant of a text such as `2026-06-10 08:00:00`; without a zone it is UTC. */
export function instantFrom(value: unknown): Date | undefined {
  if (typeof value !== 'string' || calendarDay(value) === undefined) return undefined
  const match = /^(.{10})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/.exec(
    value.trim(),
  )
  if (match === null) return undefined
  const [, day, time = '00:00:00', zone = 'Z'] = match
  const instant = new Date(`${day}T${time}${zone.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2')}`)
  return Number.isNaN(instant.getTime()) ? undefined : instant
}

function numberFrom(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string' || !/^[+-]?\d{1,15}(?:\.\d{1,15})?$/.test(value.trim())) return undefined
  return Number(value)
}

function flagFrom(value: unknown): boolean | undefined {
  if (value === 1 || value === true || value === '1' || value === 'true') return true
  if (value === 0 || value === false || value === '0' || value === 'false') return false
  return undefined
}

// Fifteen digits are what a double holds for sure: 103.93000000000001 is 103.93 after an addition of floats.
function decimalFrom(value: unknown): Big | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? new Big(value.toPrecision(15)) : undefined
  if (typeof value !== 'string') return undefined
  const text = value.trim().replace(/^\+/, '')
  return /^-?\d{1,30}(?:\.\d{1,30})?$/.test(text) ? new Big(text) : undefined
}
