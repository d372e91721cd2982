import { createHash } from 'node:crypto'
import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from './tables.ts'

const keptHours = 24

// The same JSON may come with its names in another order.
function inOneOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

/**
 * Claims a key for a request in the transaction that does its work, so that the two happen together. `claimed`: do the
 * work, then keep the answer; `done`: it was done before, this was the answer; `other`: the key came with another body.
 */
export async function claimIdempotencyKey(
  trx: Transaction<Database>,
  { tenantId, scope, key, body }: { tenantId: string; scope: string; key: string; body: unknown },
): Promise<{ state: 'claimed' } | { state: 'done'; answer: unknown } | { state: 'other' }> {
  const hash = createHash('sha256').update(JSON.stringify(body, inOneOrder)).digest()
  const row = { tenant_id: tenantId, scope, key, request_hash: hash, answer: null }
  // A second request with the key waits here until the first has committed or failed.
  const claimed = await trx
    .insertInto('idempotency_keys')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'scope', 'key'])
        .doUpdateSet({ ...row, created_at: sql<Date>`now()` })
        .where(sql<boolean>`idempotency_keys.created_at < now() - ${keptHours} * interval '1 hour'`),
    )
    .returning('key')
    .executeTakeFirst()
  if (claimed !== undefined) return { state: 'claimed' }
  const stored = await trx
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'answer'])
    .where('tenant_id', '=', tenantId)
    .where('scope', '=', scope)
    .where('key', '=', key)
    .executeTakeFirstOrThrow()
  return stored.request_hash.equals(hash) ? { state: 'done', answer: stored.answer } : { state: 'other' }
}

/** Keeps the answer of a claimed key, in the same transaction. */
export async function keepAnswer(
  trx: Transaction<Database>,
  { tenantId, scope, key, answer }: { tenantId: string; scope: string; key: string; answer: unknown },
): Promise<void> {
  await trx
    .updateTable('idempotency_keys')
    .set({ answer: JSON.stringify(answer) })
    .where('tenant_id', '=', tenantId)
    .where('scope', '=', scope)
    .where('key', '=', key)
    .execute()
}

/** Forgets keys that are too old to be honoured; safe to repeat. */
export async function pruneIdempotencyKeys(db: Kysely<Database>): Promise<void> {
  await sql`
    delete from idempotency_keys where created_at < now() - ${keptHours} * interval '1 hour'
  `.execute(db)
}
