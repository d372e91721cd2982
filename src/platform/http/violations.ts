import type { FastifyError } from 'fastify'

/** One thing that is wrong with a request; `field` is a path with dots, or the part of the request. */
export type WrongField = { field: string; message: string }

type Violation = NonNullable<FastifyError['validation']>[number]

/** Everything that a part of a request (`body`, `querystring` …) got wrong by its schema, one entry a field, in words for whoever wrote it. */
export function describeViolations(violations: Violation[], part: string): WrongField[] {
  const byField = Map.groupBy(withoutIdleBranches(violations), (violation) => fieldOf(violation) || part)
  return [...byField].map(([field, ofField]) => {
    const messages = new Set(ofField.map(messageOf))
    return { field, message: [...messages].join(areAlternatives(ofField) ? ', or ' : ', and ') }
  })
}

// Of a value that may be one of several things the validator lists what is wrong with it as each of them, and that it is
// none. That it is not null either goes without saying.
function withoutIdleBranches(violations: Violation[]): Violation[] {
  return violations.filter(
    ({ keyword, params }) => keyword !== 'anyOf' && !(keyword === 'type' && params.type === 'null'),
  )
}

const branch = /\/anyOf\/(\d+)\/(?!.*\/anyOf\/)/

function areAlternatives(violations: Violation[]): boolean {
  const branches = new Set(violations.map(({ schemaPath }) => branch.exec(schemaPath)?.[1]))
  return branches.size > 1
}

function fieldOf({ instancePath, params }: Violation): string {
  const named = params.missingProperty ?? params.additionalProperty
  return [...instancePath.split('/').filter(Boolean), ...(named ? [String(named)] : [])].join('.')
}

function messageOf({ keyword, params, message = 'is not valid' }: Violation): string {
  switch (keyword) {
    case 'required':
      return 'is missing'
    case 'additionalProperties':
      return 'is not known here'
    case 'minProperties':
      return 'must name at least one field'
    case 'const':
      return `must be ${JSON.stringify(params.allowedValue)}`
    case 'enum':
      return `must be one of ${(params.allowedValues as unknown[]).join(', ')}`
    case 'minLength':
      return `must have at least ${characters(params.limit)}`
    case 'maxLength':
      return `must have at most ${characters(params.limit)}`
    case 'format':
      return `must be ${formats.get(String(params.format)) ?? `of the format ${params.format}`}`
    default:
      return message
  }
}

const formats = new Map([
  ['date', 'a calendar date, YYYY-MM-DD'],
  ['cron', 'a cron expression of five or six fields'],
])

function characters(limit: unknown): string {
  return limit === 1 ? 'one character' : `${limit} characters`
}
