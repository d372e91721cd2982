import { type Kysely, sql, type Transaction } from 'kysely'
import type { IssuedToken } from '../channels/contract/channel.ts'
import type { Database } from '../platform/db/tables.ts'
import type { Vault } from '../platform/vault/vault.ts'

const place = (row: string) => ({ table: 'hostaway_connections', column: 'access_token_sealed', row })

/** `keySetAt` tells which API key obtained it. */
export type StoredAccessToken = IssuedToken & { keySetAt: Date }

/** The access token as last stored; undefined where there is none yet or it was forgotten. */
export async function readAccessToken(
  db: Kysely<Database>,
  vault: Vault,
  connectionId: string,
): Promise<StoredAccessToken | undefined> {
  const row = await db
    .selectFrom('hostaway_connections')
    .select(['access_token_sealed', 'access_token_usable_at', 'access_token_expires_at', 'key_set_at'])
    .where('id', '=', connectionId)
    .executeTakeFirst()
  if (
    !row?.access_token_sealed ||
    row.access_token_usable_at === null ||
    row.access_token_expires_at === null
  ) {
    return undefined
  }
  return {
    token: vault.open(row.access_token_sealed, place(connectionId)),
    usableAt: row.access_token_usable_at,
    expiresAt: row.access_token_expires_at,
    keySetAt: row.key_set_at,
  }
}

/** Keeps a token; does nothing where the key that obtained it (set at `keySetAt`) has been replaced meanwhile. */
export async function storeAccessToken(
  db: Kysely<Database>,
  vault: Vault,
  connectionId: string,
  token: IssuedToken,
  keySetAt: Date,
): Promise<void> {
  await db
    .updateTable('hostaway_connections')
    .set({
      access_token_sealed: vault.seal(token.token, place(connectionId)),
      access_token_usable_at: token.usableAt,
      access_token_expires_at: token.expiresAt,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', connectionId)
    .where('key_set_at', '=', keySetAt)
    .execute()
}

/** Takes the lock under which a connection's token is renewed; false if another process renews it now. */
export async function tryLockAccessToken(trx: Transaction<Database>, connectionId: string): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`access-token:${connectionId}`}, 0)) as locked
  `.execute(trx)
  return rows[0]?.locked === true
}
