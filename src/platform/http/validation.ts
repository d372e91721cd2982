import { Ajv } from 'ajv'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { isCron } from '../config/cron-times.ts'
import { isDay } from '../days.ts'
import { findUnstorable } from '../storable-text.ts'
import type { Violation } from './violations.ts'

// Far more than is listed; the rest would only fill the memory.
const maxViolations = 1_000

const options = {
  allErrors: true,
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
  const asSent = new Ajv(options)
  const fromText = new Ajv({ ...options, coerceTypes: 'array' })
  const compile: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
    const validate = (httpPart === 'body' ? asSent : fromText).compile(countingFirst(schema) as TSchema)
    const isStored = httpPart === 'body' || httpPart === 'querystring'
    const check: ReturnType<typeof compile> = (value: unknown) => {
      const isValid = validate(value)
      const unstorable = isStored ? findUnstorable(value) : []
      if (isValid && unstorable.length === 0) return true
      const violations = isValid ? [] : ((validate.errors ?? []) as Violation[])
      check.errors = [...violations, ...unstorable.map(toViolation)].slice(0, maxViolations)
      return false
    }
    return check
  }
  app.setValidatorCompiler(compile)
}

// A list that is too long is refused before its entries are looked at: the violations of a million of them would fill
// the memory.
function countingFirst(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(countingFirst)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, countingFirst(part)]))
  if (copy.maxItems === undefined || copy.items === undefined) return copy
  const { items, ...rest } = copy
  return { ...rest, if: { minItems: Number(copy.maxItems) + 1 }, else: { items } }
}

function toViolation({ field, message }: { field: string; message: string }): Violation {
  const instancePath = field === '' ? '' : `/${field.replaceAll('.', '/')}`
  return { keyword: 'storable', instancePath, schemaPath: '#/storable', params: {}, message }
}

const instant = /^.{10}[Tt ]([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$/

function isInstant(text: string): boolean {
  return instant.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text))
}
