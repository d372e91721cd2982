import type { FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { sentences } from './fields.ts'

/** One thing that is wrong with a request; `field` is a path with dots, or the part of the request. */
export type WrongField = { field: string; message: string }

/** What a validator found; `parentSchema` is the schema that the value broke. */
export type Violation = FastifySchemaValidationError & {
  parentSchema?: { pattern?: string; oneOf?: Array<{ required?: string[]; properties?: Properties }> }
}
type Properties = Record<string, { const?: unknown }>

/** How many wrong fields an answer lists; where there are as many, there may be more. */
export const maxWrongFields = 100

/** What a request got wrong in one part (`body`, `querystring` …) by its schema, one entry a field, in words for its author. */
export function describeViolations(violations: Violation[], part: string): WrongField[] {
  const byField = Map.groupBy(meantViolations(violations), (violation) => fieldOf(violation) || part)
  return [...byField].slice(0, maxWrongFields).map(([field, ofField]) => {
    const messages = new Set(ofField.map((violation) => messageOf(violation, part)))
    return { field, message: [...messages].join(areAlternatives(ofField) ? ', or ' : ', and ') }
  })
}

/**
 * What is wrong with the body of a request whose route sets `attachValidation`, so that its handler can add what no
 * schema knows and refuse everything at once. Throws what is wrong with any other part.
 */
export function bodyViolations({ validationError: error }: FastifyRequest): WrongField[] {
  if (error === undefined) return []
  if (error.validationContext !== 'body') throw error
  return describeViolations(error.validation, 'body')
}

/** The fields of an object whose values, deep down too, have nothing wrong with them; none of what is no object. */
export function soundFields<Body extends object>(body: Body, wrong: WrongField[]): Partial<Body> {
  if (wrong.length >= maxWrongFields || typeof body !== 'object' || body === null) return {}
  const names = new Set(wrong.map(({ field }) => field.split('.', 1)[0]))
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.has(name))) as Partial<Body>
}

// Of a value that may be one of several things the validator lists what is wrong with it as each of them, and that it is
// none. For an object, violations of the list schema are noise, and so is that a value is not null.
function meantViolations(violations: Violation[]): Violation[] {
  const meant = violations.filter(
    ({ keyword, params, parentSchema }) =>
      keyword !== 'anyOf' &&
      keyword !== 'if' &&
      !(keyword === 'type' && params.type === 'null') &&
      // What one of the alternatives of `exactlyOneOf` lacks.
      !(keyword === 'required' && Object.keys(parentSchema ?? {}).join() === 'required'),
  )
  const mistaken = meant.flatMap(({ keyword, schemaPath, instancePath }) =>
    keyword === 'type' && /\/anyOf\/\d+\/type$/.test(schemaPath)
      ? [{ branch: schemaPath.slice(0, -'type'.length), instancePath }]
      : [],
  )
  const fitting = meant.filter((violation) => !mistaken.some((one) => isWithin(violation, one)))
  const dropped = mistaken.filter(({ branch, instancePath }) => {
    const union = { branch: branch.replace(/\d+\/$/, ''), instancePath }
    return fitting.some((violation) => isWithin(violation, union))
  })
  return meant.filter((violation) => !dropped.some((one) => isWithin(violation, one)))
}

type Branch = { branch: string; instancePath: string }

function isWithin({ schemaPath, instancePath }: Violation, of: Branch): boolean {
  return schemaPath.startsWith(of.branch) && instancePath.startsWith(of.instancePath)
}

const branch = /\/anyOf\/(\d+)\/(?!.*\/anyOf\/)/

function areAlternatives(violations: Violation[]): boolean {
  const branches = new Set(violations.map(({ schemaPath }) => branch.exec(schemaPath)?.[1]))
  return branches.size > 1
}

function fieldOf({ instancePath, params, keyword }: Violation): string {
  const named =
    params.missingProperty ??
    params.additionalProperty ??
    (keyword === 'discriminator' ? params.tag : undefined)
  const names = instancePath
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  return [...names, ...(named === undefined ? [] : [String(named)])].join('.')
}

function messageOf(violation: Violation, part: string): string {
  const { keyword, params, parentSchema, message = 'is not valid' } = violation
  switch (keyword) {
    case 'required':
      return 'is missing'
    case 'additionalProperties':
      return part === 'querystring' ? 'is no parameter of this request' : 'is an unknown field'
    case 'minProperties':
      return params.limit === 1 ? 'must name at least one field' : `must name at least ${params.limit} fields`
    case 'const':
      return `must be ${JSON.stringify(params.allowedValue)}`
    case 'enum':
      return `must be one of ${(params.allowedValues as unknown[]).join(', ')}`
    case 'type':
      return `must be ${typeOf(params.type)}`
    case 'minimum':
      return `must be at least ${params.limit}`
    case 'maximum':
      return `must be at most ${params.limit}`
    case 'minLength':
      return `must have at least ${counted(params.limit, 'character')}`
    case 'maxLength':
      return `must have at most ${counted(params.limit, 'character')}`
    case 'minItems':
      return `must have at least ${counted(params.limit, 'entry')}`
    case 'maxItems':
      return `must have at most ${counted(params.limit, 'entry')}`
    case 'format':
      return `must be ${sentences.formats[String(params.format)] ?? `of the format ${params.format}`}`
    case 'pattern':
      return sentences.patterns[String(params.pattern)] === undefined
        ? message
        : `must be ${sentences.patterns[String(params.pattern)]}`
    case 'discriminator':
      return params.tagValue === undefined
        ? 'is missing'
        : `must be one of ${tagsOf(violation, String(params.tag)).join(', ')}`
    case 'oneOf':
      return `needs exactly one of ${(parentSchema?.oneOf ?? []).flatMap(({ required = [] }) => required).join(', ')}`
    default:
      return message
  }
}

function tagsOf({ parentSchema }: Violation, tag: string): unknown[] {
  return (parentSchema?.oneOf ?? []).flatMap(({ properties }) => properties?.[tag]?.const ?? [])
}

const typeNames: Record<string, string> = {
  object: 'an object',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
}

// One type or several, as a schema writes them or with commas between.
function typeOf(types: unknown): string {
  const names = String(types).split(',')
  return names.map((name) => typeNames[name] ?? name).join(' or ')
}

function counted(limit: unknown, what: 'character' | 'entry'): string {
  if (limit === 1) return `one ${what}`
  return `${limit} ${what === 'entry' ? 'entries' : 'characters'}`
}
