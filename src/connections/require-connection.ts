import type { FastifyRequest } from 'fastify'
import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { isUuid } from '../platform/http/paging.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import { type Connection, findConnection } from './connection-store.ts'

/** The connection a request names; another tenant's does not exist for the caller. */
export async function requireConnection(
  db: Kysely<Database>,
  request: FastifyRequest,
  id: string,
): Promise<Connection> {
  const connection = isUuid(id) ? await findConnection(db, id, { tenantId: tenantScope(request) }) : undefined
  if (connection === undefined) throw notFound('The connection')
  return connection
}

/** The answer to what only makes sense for a connection that was not ended. */
export function disconnectedProblem(): Problem {
  return new Problem(409, 'CONNECTION_DISCONNECTED', 'The connection is disconnected; connect it again first')
}
