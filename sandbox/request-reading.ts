import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { JsonObject, JsonValue } from './json-text.ts'
import { isJsonObject } from './json-text.ts'
import { InvalidInput, NotFound } from './refusals.ts'

/** Reads JSON and form bodies as PHP does: an empty body is no error. */
export function acceptBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => {
      done(null, Object.fromEntries(new URLSearchParams(String(body))))
    },
  )
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    const text = String(body).trim()
    if (text === '') {
      done(null, null)
      return
    }
    try {
      done(null, JSON.parse(text))
    } catch {
      done(new InvalidInput('The body is not JSON', 400))
    }
  })
}

export function bodyObject(request: FastifyRequest): JsonObject {
  const { body } = request
  if (body === null || body === undefined) return {}
  if (!isJsonObject(body)) throw new InvalidInput('The body must be an object')
  return body
}

/** A number in the path; anything else names nothing. */
export function idFromPath(request: FastifyRequest, name: string): number {
  const { params } = request
  const text = isJsonObject(params) ? params[name] : undefined
  if (typeof text !== 'string' || !/^\d{1,15}$/.test(text)) throw new NotFound()
  return Number(text)
}

/** The query as texts; of a key given several times the last one counts. */
export function queryTexts(request: FastifyRequest): Record<string, string> {
  const { query } = request
  if (!isJsonObject(query)) return {}
  return Object.fromEntries(
    Object.entries(query).map(([key, value]) => [key, String(Array.isArray(value) ? value.at(-1) : value)]),
  )
}

/** A whole number from the query, or undefined when it is not there. */
export function wholeNumber(query: Record<string, string>, name: string): number | undefined {
  const text = query[name]
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,15}$/.test(text)) throw new InvalidInput(`${name} must be a whole number`)
  return Number(text)
}

/** 0/1 flags; `true` is understood as well. */
export function isSet(value: JsonValue | undefined): boolean {
  return value === 1 || value === '1' || value === 'true' || value === true
}
