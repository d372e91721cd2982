import type { FastifyReply } from 'fastify'
import type { JsonObject, JsonValue } from './json-text.ts'
import { phpJson } from './json-text.ts'
import type { World } from './world.ts'

export const deniedMessage = 'The resource owner or authorization server denied the request.'
export const rateLimitMessage =
  'This error occurs because a server detects that your application has exceeded the rate limits or has made too many requests in a given period of time.'

/** Answers with the bytes PHP would send. */
export function answer(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  return reply.code(status).header('content-type', 'application/json').send(phpJson(body))
}

export function succeed(reply: FastifyReply, result: JsonValue): FastifyReply {
  return answer(reply, 200, { status: 'success', result })
}

export type Page = { rows: JsonObject[]; limit: number | null; offset: number | null; count: number }

/** A list in its envelope; `page` and `totalPages` only when the switch for them is on. */
export function succeedWithList(world: World, reply: FastifyReply, page: Page): FastifyReply {
  const envelope: JsonObject = {
    status: 'success',
    result: page.rows,
    limit: page.limit,
    offset: page.offset,
    count: page.count,
  }
  if (world.switches.pageInfo) {
    const size = page.limit ?? Math.max(1, page.count)
    envelope.page = Math.floor((page.offset ?? 0) / size) + 1
    envelope.totalPages = Math.max(1, Math.ceil(page.count / size))
  }
  return answer(reply, 200, envelope)
}

export function failWithMessage(reply: FastifyReply, status: number, message: string): FastifyReply {
  return answer(reply, status, { status: 'fail', message })
}

type RateLimitFacts = { limit: number; retryAtMs: number; applied: string }

/** The headers of an exceeded limit; the time of the next try is a UNIX timestamp in seconds. */
export function rateLimitHeaders(reply: FastifyReply, { limit, retryAtMs, applied }: RateLimitFacts): void {
  reply.header('X-RateLimit-Limit', limit)
  reply.header('X-RateLimit-Remaining', 0)
  reply.header('X-RateLimit-Retry-After', Math.ceil(retryAtMs / 1_000))
  reply.header('X-RateLimit-Applied', applied)
}

export function failWithRateLimit(reply: FastifyReply, facts: RateLimitFacts): FastifyReply {
  rateLimitHeaders(reply, facts)
  return failWithMessage(reply, 429, rateLimitMessage)
}
