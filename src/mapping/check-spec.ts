import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { isRecord } from '../channels/contract/field-reader.ts'
import { findCalculationProblems, refusedName } from './calculation/calculation-rules.ts'
import { type Converted, convertColumn, convertDefault, convertValue } from './convert-value.ts'
import {
  BookingRule,
  bookingTargetNames,
  bookingTargets,
  FieldRule,
  fieldNamePattern,
  type MappingSpec,
  mappingLimits,
  sourceKinds,
  type ValueSource,
} from './mapping-spec.ts'

/** A problem of a spec; `field` is the path to it. */
export type SpecProblem = { field: string; message: string }

type Report = (path: readonly string[], message: string) => void

const optionsOfTypes: Record<string, string> = {
  letters: 'text',
  digits: 'decimal',
  currency: 'money',
  table: 'enum',
}
const fieldName = new RegExp(fieldNamePattern)

/** Reads a request body as a spec: returns the spec or all its problems. Never throws. */
export function checkSpec(
  value: unknown,
): { ok: true; spec: MappingSpec } | { ok: false; problems: SpecProblem[] } {
  const problems: SpecProblem[] = []
  const report: Report = (path, message) => void problems.push({ field: path.join('.'), message })
  const root = ['spec']
  if (!isRecord(value)) report(root, 'must be an object with `fields`, `booking` or both')
  else if (Buffer.byteLength(JSON.stringify(value)) > mappingLimits.specBytes) {
    report(root, `must not be larger than ${mappingLimits.specBytes} bytes`)
  } else checkParts(value, root, report)
  return problems.length === 0 ? { ok: true, spec: value as MappingSpec } : { ok: false, problems }
}

function checkParts(spec: Record<string, unknown>, root: readonly string[], report: Report): void {
  for (const [name, part] of Object.entries(spec)) {
    if (name !== 'booking' && name !== 'fields') report([...root, name], 'is not part of a spec')
    else if (!isRecord(part)) report([...root, name], 'must be an object')
  }
  const booking = isRecord(spec.booking) ? spec.booking : {}
  const fields = isRecord(spec.fields) ? spec.fields : {}
  for (const [name, rule] of Object.entries(booking))
    checkBookingRule([...root, 'booking', name], name, rule, report)
  for (const [name, rule] of Object.entries(fields))
    checkFieldRule([...root, 'fields', name], name, rule, report)
  if (Object.keys(fields).length > mappingLimits.fields) {
    report([...root, 'fields'], `must not have more than ${mappingLimits.fields} fields`)
  }
  const calculations = [...Object.values(booking), ...Object.values(fields)].filter(
    (rule) => isRecord(rule) && rule.calculate !== undefined,
  )
  if (calculations.length > mappingLimits.calculations) {
    report(root, `must not have more than ${mappingLimits.calculations} calculations`)
  }
}

function checkBookingRule(path: readonly string[], name: string, value: unknown, report: Report): void {
  const target = bookingTargetNames.find((one) => one === name)
  if (target === undefined) {
    report(path, `is not a column that can be mapped; these are: ${bookingTargetNames.join(', ')}`)
    return
  }
  if (!fitsSchema(BookingRule, path, value, report)) return
  const rule = value as BookingRule
  checkSource(path, rule, report)
  const type = bookingTargets[target]
  const convert = (raw: unknown) => convertColumn(type, raw)
  checkFixedValues(path, rule, { constant: convert, default: convert }, report)
}

function checkFieldRule(path: readonly string[], name: string, value: unknown, report: Report): void {
  if (!fieldName.test(name))
    report(path, 'must be a letter, then letters, digits and underscores, 64 at most')
  const reason = refusedName(name)
  if (reason !== undefined) report(path, reason)
  if (!fitsSchema(FieldRule, path, value, report)) return
  const rule = value as FieldRule
  checkSource(path, rule, report)
  for (const [option, type] of Object.entries(optionsOfTypes)) {
    if (Object.hasOwn(rule, option) && rule.type !== type) {
      report([...path, option], `belongs to the type ${type}, not to ${rule.type}`)
    }
  }
  if (rule.type === 'enum' && rule.table === undefined)
    report([...path, 'table'], 'is missing; an enum needs one')
  // Which currency a booking will have is not known yet; whether the amount is one is.
  checkFixedValues(
    path,
    rule,
    {
      constant: (raw) => convertValue(rule, raw, 'EUR'),
      default: (raw) => convertDefault(rule, raw, 'EUR'),
    },
    report,
  )
}

function checkSource(path: readonly string[], rule: ValueSource, report: Report): void {
  const given = sourceKinds.filter((kind) => rule[kind] !== undefined)
  if (given.length !== 1) {
    const found = given.length === 0 ? 'has none' : `has ${given.join(', ')}`
    report(path, `needs exactly one of ${sourceKinds.join(', ')}, and ${found}`)
  }
  for (const name of [rule.from ?? []].flat().flatMap((one) => one.split('.'))) {
    const reason = refusedName(name)
    if (reason !== undefined) report([...path, 'from'], reason)
  }
  if (rule.calculate !== undefined) {
    for (const message of findCalculationProblems(rule.calculate)) report([...path, 'calculate'], message)
  }
}

function checkFixedValues(
  path: readonly string[],
  rule: Pick<BookingRule, 'constant' | 'default' | 'required'>,
  convert: Record<'constant' | 'default', (raw: unknown) => Converted>,
  report: Report,
): void {
  for (const key of ['constant', 'default'] as const) {
    const result = convert[key](rule[key])
    if ('code' in result) report([...path, key], result.message)
  }
  if (rule.constant === null && rule.required === true && rule.default === undefined) {
    report([...path, 'required'], 'cannot be met: the constant is null')
  }
}

function fitsSchema(schema: TSchema, path: readonly string[], value: unknown, report: Report): boolean {
  const errors = Value.Errors(schema, value)
  for (const { keyword, instancePath, params, message } of errors) {
    const place = [...path, ...instancePath.split('/').slice(1)]
    if (keyword === 'additionalProperties' && 'additionalProperties' in params) {
      const unknown = params.additionalProperties as string[]
      for (const name of unknown) report([...place, name], 'is an unknown field')
    } else if (keyword === 'required' && 'requiredProperties' in params) {
      for (const name of params.requiredProperties as string[]) report([...place, name], 'is missing')
    } else if (keyword === 'enum' && 'allowedValues' in params) {
      report(place, `${message}: ${(params.allowedValues as unknown[]).join(', ')}`)
    } else if (keyword !== 'boolean') report(place, message)
  }
  return errors.length === 0
}
