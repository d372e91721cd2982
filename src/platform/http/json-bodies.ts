import type { FastifyBodyParser, FastifyInstance } from 'fastify'
import { Problem } from './problems.ts'

// More than any request needs; the walks over a body, and JSON.stringify, are written for so much.
const maxDepth = 64

/** Media types of JSON, whatever stands before `+json` or behind a semicolon. */
const jsonTypes = /^(?:application|text)\/(?:[\w.!#$&^-]+\+)?json(?:\s*;|$)/

/**
 * Takes JSON under every name it goes by, and an empty body as none: many clients send the content type with every
 * request. Refuses what is nested too deeply to be walked.
 */
export function useJsonBodies(app: FastifyInstance): void {
  // Read as text, a body would be refused as the wrong type of JSON.
  app.removeContentTypeParser(['text/plain', 'application/json'])
  app.addContentTypeParser(jsonTypes, { parseAs: 'string' }, jsonParser(app))
  app.addHook('onRequest', async (request) => {
    // An empty body needs no parser, whatever it would be.
    if (request.headers['content-length'] === '0') delete request.headers['content-type']
  })
}

function jsonParser(app: FastifyInstance): FastifyBodyParser<string> {
  const parse = app.getDefaultJsonParser('error', 'error')
  return (request, text, done) => {
    if (text.trim() === '') return done(null, undefined)
    if (isDeeperThan(text, maxDepth)) {
      const message = `must not be nested deeper than ${maxDepth} levels`
      return done(
        new Problem(422, 'VALIDATION_FAILED', 'The body is not valid', [{ field: 'body', message }]),
      )
    }
    return parse(request, text, done)
  }
}

const quote = '"'.charCodeAt(0)
const backslash = '\\'.charCodeAt(0)
const opening = new Set([...'[{'].map((bracket) => bracket.charCodeAt(0)))
const closing = new Set([...']}'].map((bracket) => bracket.charCodeAt(0)))

// Looks at the text, so that nothing is made of what is refused.
function isDeeperThan(text: string, most: number): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfText(text, at)
    else if (opening.has(code)) {
      depth += 1
      if (depth > most) return true
    } else if (closing.has(code)) depth -= 1
  }
  return false
}

function endOfText(json: string, from: number): number {
  for (let end = json.indexOf('"', from + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let first = end
    while (json.charCodeAt(first - 1) === backslash) first -= 1
    if ((end - first) % 2 === 0) return end
  }
  return json.length
}
