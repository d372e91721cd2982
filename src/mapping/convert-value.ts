import { Big } from 'big.js'
import { createFieldReader, type FieldProblem } from '../channels/contract/field-reader.ts'
import { storableText } from '../platform/storable-text.ts'
import { type FieldRule, mappingLimits } from './mapping-spec.ts'
import { toMoney } from './money.ts'

/** A value as it stands in a booking's `fields`, none, or why it does not fit. */
export type Converted = { value: unknown } | { code: string; message: string }

type RuleType = Pick<FieldRule, 'type' | 'letters' | 'digits' | 'currency' | 'table'>

const none: Converted = { value: null }

/** Makes a value of the rule's type, whatever was found; null, blank and undefined are none. Never throws. */
export function convertValue(rule: RuleType, raw: unknown, bookingCurrency: string | null): Converted {
  if (raw === null || raw === undefined) return none
  switch (rule.type) {
    case 'text':
      return read(raw, 'text', (text: string) => inLetters(text, rule.letters))
    case 'integer':
      return read(raw, 'amount', toInteger)
    case 'decimal':
      return read(raw, 'amount', (amount: string) => ({
        value: rule.digits === undefined ? amount : new Big(amount).toFixed(rule.digits, Big.roundHalfUp),
      }))
    case 'money':
      return read(raw, 'amount', (amount: string) => toMoneyValue(amount, rule.currency ?? bookingCurrency))
    case 'date':
      return read(raw, 'day', (value) => ({ value }))
    case 'boolean':
      return read(raw, 'flag', (value) => ({ value }))
    case 'enum':
      return read(asText(raw), 'text', (text: string) => fromTable(text, rule.table ?? {}))
  }
}

/** Makes the value that stands in for one; what an enum falls back to need not be in its table. */
export function convertDefault(rule: RuleType, raw: unknown, bookingCurrency: string | null): Converted {
  if (rule.type !== 'enum') return convertValue(rule, raw, bookingCurrency)
  return { value: typeof raw === 'string' ? storableText(raw) : (raw ?? null) }
}

/** Makes a value of a column's type, by the same rules as the reservation's own fields are read. Never throws. */
export function convertColumn(type: 'text' | 'count' | 'amount' | 'currency', raw: unknown): Converted {
  return raw === null || raw === undefined ? none : read<unknown>(raw, type, (value) => ({ value }))
}

type Readable = 'text' | 'count' | 'amount' | 'currency' | 'day' | 'flag'

function read<Value>(raw: unknown, as: Readable, use: (value: Value) => Converted): Converted {
  const problems: FieldProblem[] = []
  const value = createFieldReader({ value: raw }, problems)[as]('value')
  const [problem] = problems
  if (problem !== undefined) return { code: problem.code, message: problem.message }
  return value === null || value === undefined ? none : use(value as Value)
}

function inLetters(text: string, letters: RuleType['letters']): Converted {
  if (text.length > mappingLimits.textLength) {
    return { code: 'too_long', message: `is longer than ${mappingLimits.textLength} characters` }
  }
  if (letters === 'upper') return { value: text.toUpperCase() }
  return { value: letters === 'lower' ? text.toLowerCase() : text }
}

function toInteger(amount: string): Converted {
  const number = Number(amount)
  return Number.isSafeInteger(number) && !amount.includes('.')
    ? { value: number }
    : { code: 'not_a_number', message: 'is not a whole number' }
}

function toMoneyValue(amount: string, currency: string | null): Converted {
  if (currency === null) return { code: 'no_currency', message: 'has no currency' }
  const money = toMoney(amount, currency)
  const minor = Number(money?.minor)
  if (money === undefined || !Number.isSafeInteger(minor)) {
    return { code: 'not_an_amount', message: `is not an amount in ${currency}` }
  }
  return { value: { total: money.total, minor, currency: money.currency } }
}

function asText(raw: unknown): unknown {
  return typeof raw === 'boolean' ? String(raw) : raw
}

function fromTable(text: string, table: NonNullable<RuleType['table']>): Converted {
  if (!Object.hasOwn(table, text)) {
    return { code: 'not_in_table', message: `${JSON.stringify(text.slice(0, 100))} is not in the table` }
  }
  const value = table[text]
  return { value: typeof value === 'string' ? storableText(value) : value }
}
