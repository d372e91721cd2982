import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { PreparingClient } from './prepared-client.ts'
import type { Database } from './tables.ts'

const dateOid = 1082

// Without this node-postgres makes a Date at local midnight out of a calendar day, and a night can shift.
const types = new pg.TypeOverrides()
types.setTypeParser(dateOid, (value) => value)

export type DatabaseOptions = {
  url: string
  maxConnections: number
  statementTimeoutMs?: number
  applicationName: string
  onError?: (error: Error) => void
}

/** Opens a pool and returns the query builder over it; `destroy()` on it ends the pool. */
export function openDatabase(options: DatabaseOptions): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: openPool(options) }) })
}

/** A bare pool with the connector's type parsing; idle connections that break are reported, not thrown. */
export function openPool(options: DatabaseOptions): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections,
    application_name: options.applicationName,
    connectionTimeoutMillis: Math.min(statementTimeoutMs, 5_000),
    statement_timeout: statementTimeoutMs,
    // The server cannot time out a statement once the network is gone; the client then gives up by itself.
    query_timeout: statementTimeoutMs + 1_000,
    keepAlive: true,
    types,
    Client: PreparingClient,
  })
  // A pool without this listener takes the whole process down when Postgres restarts.
  pool.on('error', (error) => options.onError?.(error))
  // Nor does the pool listen while a connection is in use: one that breaks between two statements of a transaction
  // would do the same. The next statement on it fails.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** Resolves when the database answers. */
export async function pingDatabase(db: Kysely<Database>): Promise<void> {
  await sql`select 1`.execute(db)
}
