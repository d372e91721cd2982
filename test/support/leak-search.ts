import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/platform/db/tables.ts'

/** The places in which a secret is found in any of its usual spellings. */
export function placesOf(secret: string, haystacks: Record<string, string>): string[] {
  const bytes = Buffer.from(secret)
  const spellings = [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
  ]
  return Object.entries(haystacks)
    .filter(([, text]) => spellings.some((spelling) => text.includes(spelling)))
    .map(([place]) => place)
}

/** Every row of every table of the database, the queue's schema included, as text by table. */
export async function dumpTables(db: Kysely<Database>): Promise<Record<string, string>> {
  const tables = await sql<{ schema: string; name: string }>`
    select table_schema as schema, table_name as name from information_schema.tables
    where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'
  `.execute(db)
  const dump: Record<string, string> = {}
  for (const { schema, name } of tables.rows) {
    const { rows } = await sql<{ text: string }>`
      select row::text as text from ${sql.table(`${schema}.${name}`)} as row
    `.execute(db)
    dump[`table ${schema}.${name}`] = rows.map(({ text }) => text).join('\n')
  }
  return dump
}

/** Every key with that prefix and what it holds. */
export async function dumpRedis(url: string, prefix: string): Promise<string> {
  const redis = new Redis(url)
  try {
    const parts: unknown[] = []
    for (const key of await redis.keys(`*${prefix}*`)) parts.push(key, await readKey(redis, key))
    return JSON.stringify(parts)
  } finally {
    redis.disconnect()
  }
}

async function readKey(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key)
  switch (type) {
    case 'string':
      return redis.get(key)
    case 'hash':
      return redis.hgetall(key)
    case 'list':
      return redis.lrange(key, 0, -1)
    case 'set':
      return redis.smembers(key)
    case 'zset':
      return redis.zrange(key, '0', '-1')
    case 'stream':
      return redis.xrange(key, '-', '+')
    default:
      // A key may be gone by now; another type would be one that this search is blind to.
      if (type !== 'none') throw new Error(`${key} has the type ${type}`)
      return undefined
  }
}
