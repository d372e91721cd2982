import { createHmac } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from './problems.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The cursor of this list is a position that means the same with any filter. */
    cursorIsPosition?: boolean
  }
}

const tagLength = 10

/**
 * Binds the cursors of this instance's lists to the list, its filters and the tenant: one of another list would be a
 * position that nothing there has, and answer too much or nothing without a word. `key` keeps positions from being made up.
 */
export function useBoundCursors(app: FastifyInstance, key: Buffer): void {
  const tagOf = (request: FastifyRequest) =>
    createHmac('sha256', key).update(boundOf(request)).digest('base64url').slice(0, tagLength)
  app.addHook('preHandler', async (request) => {
    const query = request.query as { cursor?: string }
    if (query.cursor === undefined || request.routeOptions.config.cursorIsPosition === true) return
    if (query.cursor.slice(-tagLength) !== tagOf(request)) {
      throw new Problem(
        422,
        'INVALID_CURSOR',
        'cursor must be the nextCursor of this list with the same filters',
      )
    }
    query.cursor = Buffer.from(query.cursor.slice(0, -tagLength), 'base64url').toString()
  })
  app.addHook('preSerialization', async (request, _reply, payload) => {
    if (request.routeOptions.config.cursorIsPosition === true || !hasCursor(payload)) return payload
    const position = Buffer.from(payload.nextCursor).toString('base64url')
    return { ...payload, nextCursor: position + tagOf(request) }
  })
}

function hasCursor(payload: unknown): payload is { nextCursor: string } {
  return (
    typeof payload === 'object' &&
    payload !== null &&
    'nextCursor' in payload &&
    typeof payload.nextCursor === 'string'
  )
}

function boundOf(request: FastifyRequest): string {
  const { cursor: _cursor, limit: _limit, ...filter } = request.query as Record<string, unknown>
  const filters = Object.entries(filter).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify(['cursor', request.url.split('?', 1)[0], request.caller.tenantId, filters])
}
