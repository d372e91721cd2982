import { checkSpec, type SpecProblem } from '../../mapping/check-spec.ts'
import type { MappingSpec } from '../../mapping/mapping-spec.ts'
import { isUuid } from '../../platform/http/paging.ts'
import { Problem } from '../../platform/http/problems.ts'

const maxPreviewed = 100

export type MappingOrder = { spec: MappingSpec; expectedVersion: number | undefined }

export type PreviewOrder = {
  /** Undefined: the one in force. */
  spec: MappingSpec | undefined
  over: { reservation: unknown } | { webhookId: string } | { last: number }
}

type Fields = Record<string, unknown>

/** Reads the body of a request that stores a mapping; throws a Problem that names everything that is wrong with it. */
export function readMappingOrder(body: unknown): MappingOrder {
  const problems: SpecProblem[] = []
  const fields = readFields(body, ['spec', 'expectedVersion'], problems)
  const { expectedVersion } = fields
  if (expectedVersion !== undefined && !isCount(expectedVersion, 0)) {
    problems.push({ field: 'expectedVersion', message: 'must be the number of a version' })
  }
  const spec = readSpec(fields, problems)
  if (spec === undefined && problems.length === 0) problems.push({ field: 'spec', message: 'is missing' })
  refuse(problems)
  return { spec: spec as MappingSpec, expectedVersion: expectedVersion as number | undefined }
}

/** Reads the body of a request for a preview, in the same way. */
export function readPreviewOrder(body: unknown): PreviewOrder {
  const problems: SpecProblem[] = []
  const sources = ['reservation', 'webhookId', 'last'] as const
  const fields = readFields(body, ['spec', ...sources], problems)
  const given = sources.filter((name) => fields[name] !== undefined)
  if (given.length !== 1) {
    problems.push({ field: 'body', message: `needs exactly one of ${sources.join(', ')}` })
  }
  const { reservation, webhookId, last } = fields
  if (webhookId !== undefined && !(typeof webhookId === 'string' && isUuid(webhookId))) {
    problems.push({ field: 'webhookId', message: 'must be the id of a webhook' })
  }
  if (last !== undefined && !(isCount(last, 1) && last <= maxPreviewed)) {
    problems.push({ field: 'last', message: `must be a whole number from 1 to ${maxPreviewed}` })
  }
  const spec = readSpec(fields, problems)
  refuse(problems)
  if (typeof webhookId === 'string') return { spec, over: { webhookId } }
  return { spec, over: typeof last === 'number' ? { last } : { reservation } }
}

function readFields(body: unknown, known: readonly string[], problems: SpecProblem[]): Fields {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    problems.push({ field: 'body', message: 'must be a JSON object' })
    return {}
  }
  for (const name of Object.keys(body)) {
    if (!known.includes(name)) problems.push({ field: name, message: 'is not known here' })
  }
  return body as Fields
}

function readSpec(fields: Fields, problems: SpecProblem[]): MappingSpec | undefined {
  if (fields.spec === undefined) return undefined
  const checked = checkSpec(fields.spec)
  if (checked.ok) return checked.spec
  problems.push(...checked.problems)
  return undefined
}

function isCount(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least
}

function refuse(problems: SpecProblem[]): void {
  if (problems.length > 0) throw new Problem(422, 'VALIDATION_FAILED', 'The body is not valid', problems)
}
