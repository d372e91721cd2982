import { Ajv } from 'ajv'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { isCron } from '../config/cron-times.ts'
import { isDay } from '../days.ts'
import { findUnstorable } from '../storable-text.ts'
import type { Violation } from './violations.ts'

const options = {
  discriminator: true,
  useDefaults: true,
  // The sentences about a violation quote the schema.
  verbose: true,
  strictTypes: false,
  formats: { date: isDay, 'date-time': isInstant, cron: isCron },
}

/**
 * Checks every request by the schema of its route, and that Postgres can store what it holds. Bodies are taken as they
 * are; what comes as text, such as a query, becomes the type that the schema names.
 */
export function useValidation(app: FastifyInstance): void {
  const bodies = { quick: new Ajv(options), thorough: new Ajv({ ...options, allErrors: true }) }
  const fromText = new Ajv({ ...options, allErrors: true, coerceTypes: 'array' })
  const compile: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
    const violations = httpPart === 'body' ? ofBody(bodies, schema) : ofText(fromText, schema)
    const isStored = httpPart === 'body' || httpPart === 'querystring'
    const check: ReturnType<typeof compile> = (value: unknown) => {
      const found = violations(value)
      // Of a body that is refused anyway, the beginning is looked through.
      const looked = found.length === 0 ? value : excerptOf(value).excerpt
      const unstorable = isStored ? findUnstorable(looked).slice(0, maxViolations) : []
      check.errors = [...found, ...unstorable.map(toViolation)]
      return check.errors.length === 0
    }
    return check
  }
  app.setValidatorCompiler(compile)
}

// More than is listed, since several may be about one field.
const maxViolations = 400

function ofText(ajv: Ajv, schema: TSchema): (value: unknown) => Violation[] {
  const validate = ajv.compile(schema)
  return (value) => (validate(value) ? [] : toViolations(validate.errors))
}

// Everything that is wrong with a body of five megabytes would take seconds to find and hundreds of megabytes to say. The
// first violation decides; what else is wrong is looked for in an excerpt.
function ofBody({ quick, thorough }: { quick: Ajv; thorough: Ajv }, schema: TSchema) {
  const decide = quick.compile(schema)
  const explain = thorough.compile(schema)
  return (value: unknown): Violation[] => {
    if (decide(value)) return []
    const first = toViolations(decide.errors)
    // The entries of a list that is too long are nothing to talk about.
    if (first.some(({ keyword }) => keyword === 'maxItems')) return first
    const { excerpt, isWhole } = excerptOf(value)
    const all = explain(excerpt) ? [] : toViolations(explain.errors)
    return isWhole
      ? all
      : [...first, ...all.filter((violation) => !isOfCut(violation, value))].slice(0, maxViolations)
  }
}

function toViolations(errors: unknown): Violation[] {
  return ((errors ?? []) as Violation[]).slice(0, maxViolations)
}

const maxExcerpt = 10_000
const maxNames = 200

/** The beginning of a value, of so many parts at most. */
function excerptOf(value: unknown): { excerpt: unknown; isWhole: boolean } {
  let left = maxExcerpt
  let isWhole = true
  const copy = (part: unknown): unknown => {
    left -= 1
    if (typeof part !== 'object' || part === null) return part
    if (Array.isArray(part)) return copyEntries(part)
    const names = Object.keys(part)
    const kept = names.slice(0, Math.max(0, Math.min(maxNames, left)))
    if (kept.length < names.length) isWhole = false
    return Object.fromEntries(kept.map((name) => [name, copy((part as Record<string, unknown>)[name])]))
  }
  const copyEntries = (entries: unknown[]) => {
    const kept: unknown[] = []
    for (const entry of entries) {
      if (left <= 0) {
        isWhole = false
        break
      }
      kept.push(copy(entry))
    }
    return kept
  }
  return { excerpt: copy(value), isWhole }
}

// An excerpt lacks what the value has.
function isOfCut({ keyword, instancePath, params }: Violation, value: unknown): boolean {
  if (!['required', 'minItems', 'minProperties', 'discriminator', 'oneOf'].includes(keyword)) return false
  const names = instancePath
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  const whole = names.reduce<unknown>((part, name) => (part as Record<string, unknown>)?.[name], value)
  if (typeof whole !== 'object' || whole === null) return false
  const named = params.missingProperty ?? params.tag
  return named === undefined ? Object.keys(whole).length > maxNames : Object.hasOwn(whole, String(named))
}

function toViolation({ field, message }: { field: string; message: string }): Violation {
  const instancePath = field === '' ? '' : `/${field.replaceAll('.', '/')}`
  return { keyword: 'storable', instancePath, schemaPath: '#/storable', params: {}, message }
}

const instant = /^.{10}[Tt ]([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$/

function isInstant(text: string): boolean {
  return instant.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text))
}
