import { type Kysely, sql } from 'kysely'
import type { BasicCredentials, FormerSecret } from '../channels/contract/channel.ts'
import type { Database } from '../platform/db/tables.ts'
import type { Vault } from '../platform/vault/vault.ts'

const table = 'hostaway_connections'

/**
 * What Hostaway has, or is about to get, to authenticate itself with. `unseenMs`: for so long other processes may not
 * know yet what is accepted, as they look every second only.
 */
export type WebhookCredentials = {
  current: BasicCredentials | undefined
  next: BasicCredentials | undefined
  unseenMs: number
}

// A little more than a process may go without looking at a connection that is in use.
const seenAfterMs = 1_000
const maxFormerSecrets = 10

/** Opens the Basic credentials of a connection's webhook. */
export async function readWebhookCredentials(
  db: Kysely<Database>,
  vault: Vault,
  id: string,
): Promise<WebhookCredentials> {
  const row = await db
    .selectFrom('hostaway_connections')
    .select([
      'webhook_login_sealed',
      'webhook_password_sealed',
      'webhook_next_credentials_sealed',
      sql<number>`greatest(0, extract(epoch from webhook_secrets_set_at - clock_timestamp()) * 1000
        + ${seenAfterMs})::float8`.as('unseen_ms'),
    ])
    .where('id', '=', id)
    .executeTakeFirst()
  const open = (column: 'webhook_login_sealed' | 'webhook_password_sealed') => {
    const sealed = row?.[column]
    return sealed == null ? undefined : vault.open(sealed, { table, column, row: id })
  }
  const login = open('webhook_login_sealed')
  const password = open('webhook_password_sealed')
  return {
    current: login === undefined || password === undefined ? undefined : { login, password },
    next: openNextCredentials(vault, id, row?.webhook_next_credentials_sealed ?? null),
    unseenMs: row?.unseen_ms ?? 0,
  }
}

/** Keeps credentials for Hostaway to be given next; those of a rotation that did not come to its end are kept instead. */
export async function keepNextCredentials(
  db: Kysely<Database>,
  vault: Vault,
  id: string,
  credentials: BasicCredentials,
): Promise<void> {
  const column = 'webhook_next_credentials_sealed'
  await db
    .updateTable('hostaway_connections')
    .set({
      [column]: vault.seal(JSON.stringify(credentials), { table, column, row: id }),
      webhook_secrets_set_at: sql<Date>`clock_timestamp()`,
      // Should this rotation not come to its end, the upkeep takes it there.
      webhook_check_due_at: sql<Date>`clock_timestamp() + interval '1 minute'`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where(column, 'is', null)
    .execute()
}

/** Makes the next credentials the only ones, once Hostaway has them; safe to repeat. */
export async function promoteNextCredentials(db: Kysely<Database>, vault: Vault, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('hostaway_connections')
      .select('webhook_next_credentials_sealed')
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst()
    const next = openNextCredentials(vault, id, row?.webhook_next_credentials_sealed ?? null)
    if (next === undefined) return
    const seal = (column: string, value: string) => vault.seal(value, { table, column, row: id })
    await trx
      .updateTable('hostaway_connections')
      .set({
        webhook_login_sealed: seal('webhook_login_sealed', next.login),
        webhook_password_sealed: seal('webhook_password_sealed', next.password),
        webhook_next_credentials_sealed: null,
        updated_at: sql<Date>`clock_timestamp()`,
      })
      .where('id', '=', id)
      .execute()
  })
}

/**
 * Replaces the HMAC secret; the one before is accepted for `overlapMs` more, and so are those that were replaced
 * earlier until their time is over. The same secret again changes nothing.
 */
export async function replaceHmacSecret(
  db: Kysely<Database>,
  vault: Vault,
  id: string,
  { secret, overlapMs }: { secret: string; overlapMs: number },
): Promise<void> {
  const place = (column: string) => ({ table, column, row: id })
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('hostaway_connections')
      .select(['webhook_hmac_secret_sealed', 'webhook_former_secrets_sealed'])
      .select(sql<Date>`clock_timestamp()`.as('now'))
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst()
    if (row === undefined) return
    const sealed = row.webhook_hmac_secret_sealed
    const current = sealed === null ? undefined : vault.open(sealed, place('webhook_hmac_secret_sealed'))
    if (current === secret) return
    const until = new Date(row.now.getTime() + overlapMs).toISOString()
    const former = [
      ...(current === undefined ? [] : [{ secret: current, until }]),
      ...openFormerSecrets(vault, id, row.webhook_former_secrets_sealed),
    ].filter((entry) => entry.secret !== secret && entry.until > row.now.toISOString())
    const column = 'webhook_former_secrets_sealed'
    await trx
      .updateTable('hostaway_connections')
      .set({
        webhook_hmac_secret_sealed: vault.seal(secret, place('webhook_hmac_secret_sealed')),
        [column]:
          former.length === 0
            ? null
            : vault.seal(JSON.stringify(former.slice(0, maxFormerSecrets)), place(column)),
        webhook_secrets_set_at: sql<Date>`clock_timestamp()`,
        updated_at: sql<Date>`clock_timestamp()`,
      })
      .where('id', '=', id)
      .execute()
  })
}

/** Forgets everything secret about a connection that has been taken down at Hostaway, and that anything is left to do. */
export async function eraseSecrets(
  db: Kysely<Database>,
  id: string,
  { reason }: { reason: string | null },
): Promise<void> {
  await db
    .updateTable('hostaway_connections')
    .set({
      api_key_sealed: null,
      access_token_sealed: null,
      access_token_usable_at: null,
      access_token_expires_at: null,
      webhook_login_sealed: null,
      webhook_password_sealed: null,
      webhook_next_credentials_sealed: null,
      webhook_hmac_secret_sealed: null,
      webhook_former_secrets_sealed: null,
      webhook_external_id: null,
      disconnecting_since: null,
      status_reason: reason,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where('status', '=', 'disconnected')
    .execute()
}

/** The credentials that Hostaway is about to be given, from their sealed column. */
export function openNextCredentials(
  vault: Vault,
  id: string,
  sealed: string | null,
): BasicCredentials | undefined {
  if (sealed === null) return undefined
  return JSON.parse(vault.open(sealed, { table, column: 'webhook_next_credentials_sealed', row: id }))
}

/** The HMAC secrets that were replaced, from their sealed column; some may have run out. */
export function openFormerSecrets(vault: Vault, id: string, sealed: string | null): FormerSecret[] {
  if (sealed === null) return []
  return JSON.parse(vault.open(sealed, { table, column: 'webhook_former_secrets_sealed', row: id }))
}
