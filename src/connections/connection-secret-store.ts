import { type Kysely, sql } from 'kysely'
import type {
  BasicCredentials,
  FormerSecret,
  IssuedToken,
  WebhookSecrets,
} from '../channels/contract/channel.ts'
import type { Database } from '../platform/db/tables.ts'
import { AppError } from '../platform/errors.ts'
import type { Vault } from '../platform/vault/vault.ts'

const table = 'hostaway_connections'

/** Seals and opens the secrets of one connection, each bound to its row and column. */
export function sealerOf(vault: Vault, id: string) {
  const place = (column: SealedColumn) => ({ table, column, row: id })
  const open = (column: SealedColumn, sealed: string | null): string | null =>
    sealed === null ? null : vault.open(sealed, place(column))
  return {
    open,
    seal: (column: SealedColumn, value: string) => vault.seal(value, place(column)),
    openNext(sealed: string | null): BasicCredentials | undefined {
      const text = open('webhook_next_credentials_sealed', sealed)
      return text === null ? undefined : JSON.parse(text)
    },
    /** HMAC secrets that were replaced; some may have expired. */
    openFormer(sealed: string | null): FormerSecret[] {
      return JSON.parse(open('webhook_former_secrets_sealed', sealed) ?? '[]')
    },
  }
}

type SealedColumn = Extract<keyof Database['hostaway_connections'], `${string}_sealed`>

export type ConnectionSecrets = {
  apiKey: string | null
  keySetAt: Date
  webhookLogin: string | null
  webhookPassword: string | null
  webhookHmacSecret: string | null
}

/** Opens the secrets of a connection; null where one was erased or never set. */
export async function readConnectionSecrets(
  db: Kysely<Database>,
  vault: Vault,
  id: string,
): Promise<ConnectionSecrets | undefined> {
  const row = await db
    .selectFrom('hostaway_connections')
    .select([
      'api_key_sealed',
      'key_set_at',
      'webhook_login_sealed',
      'webhook_password_sealed',
      'webhook_hmac_secret_sealed',
    ])
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const { open } = sealerOf(vault, id)
  return {
    apiKey: open('api_key_sealed', row.api_key_sealed),
    keySetAt: row.key_set_at,
    webhookLogin: open('webhook_login_sealed', row.webhook_login_sealed),
    webhookPassword: open('webhook_password_sealed', row.webhook_password_sealed),
    webhookHmacSecret: open('webhook_hmac_secret_sealed', row.webhook_hmac_secret_sealed),
  }
}

/**
 * What the channel has, or is about to get, to authenticate itself with. `unseenMs`: for so long other processes may not
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
  if (row === undefined) return { current: undefined, next: undefined, unseenMs: 0 }
  const sealer = sealerOf(vault, id)
  const login = sealer.open('webhook_login_sealed', row.webhook_login_sealed)
  const password = sealer.open('webhook_password_sealed', row.webhook_password_sealed)
  return {
    current: login === null || password === null ? undefined : { login, password },
    next: sealer.openNext(row.webhook_next_credentials_sealed),
    unseenMs: row.unseen_ms,
  }
}

/** Keeps credentials for the channel to be given next; those of a rotation that did not come to its end are kept instead. */
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
      [column]: sealerOf(vault, id).seal(column, JSON.stringify(credentials)),
      webhook_secrets_set_at: sql<Date>`clock_timestamp()`,
      // Should this rotation not come to its end, the upkeep takes it there.
      webhook_check_due_at: sql<Date>`clock_timestamp() + interval '1 minute'`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where(column, 'is', null)
    .execute()
}

/** Makes the next credentials the only ones, once the channel has them; safe to repeat. */
export async function promoteNextCredentials(db: Kysely<Database>, vault: Vault, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('hostaway_connections')
      .select('webhook_next_credentials_sealed')
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst()
    const { seal, openNext } = sealerOf(vault, id)
    const next = openNext(row?.webhook_next_credentials_sealed ?? null)
    if (next === undefined) return
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
  const { open, seal, openFormer } = sealerOf(vault, id)
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('hostaway_connections')
      .select(['webhook_hmac_secret_sealed', 'webhook_former_secrets_sealed'])
      .select(sql<Date>`clock_timestamp()`.as('now'))
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst()
    if (row === undefined) return
    const current = open('webhook_hmac_secret_sealed', row.webhook_hmac_secret_sealed)
    if (current === secret) return
    const until = new Date(row.now.getTime() + overlapMs).toISOString()
    const former = [
      ...(current === null ? [] : [{ secret: current, until }]),
      ...openFormer(row.webhook_former_secrets_sealed),
    ].filter((entry) => entry.secret !== secret && entry.until > row.now.toISOString())
    const column = 'webhook_former_secrets_sealed'
    await trx
      .updateTable('hostaway_connections')
      .set({
        webhook_hmac_secret_sealed: seal('webhook_hmac_secret_sealed', secret),
        [column]:
          former.length === 0 ? null : seal(column, JSON.stringify(former.slice(0, maxFormerSecrets))),
        webhook_secrets_set_at: sql<Date>`clock_timestamp()`,
        updated_at: sql<Date>`clock_timestamp()`,
      })
      .where('id', '=', id)
      .execute()
  })
}

/** Forgets everything secret about a connection that has been taken down at the channel, and that anything is left to do. */
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

/** What the ingress needs to authenticate and route a webhook. */
export type WebhookReceiver = WebhookSecrets & {
  id: string
  tenantId: string
  channel: string
  accountId: string
}

export type WebhookReceivers = {
  receivers: WebhookReceiver[]
  /** Connections whose secrets no key opens: they exist, but nothing can be checked against them now. */
  unreadable: string[]
}

/** Receivers by connection id or by account id, without the disconnected ones. */
export async function readWebhookReceivers(
  db: Kysely<Database>,
  vault: Vault,
  by: { ids: string[] } | { channel: string; accountId: string },
): Promise<WebhookReceivers> {
  let query = db
    .selectFrom('hostaway_connections')
    .select([
      'id',
      'tenant_id',
      'channel',
      'account_id',
      'webhook_auth',
      'webhook_login_sealed',
      'webhook_password_sealed',
      'webhook_hmac_secret_sealed',
      'webhook_next_credentials_sealed',
      'webhook_former_secrets_sealed',
    ])
    .where('status', '<>', 'disconnected')
  query =
    'ids' in by
      ? query.where('id', '=', sql<string>`any(${by.ids}::uuid[])`)
      : query.where('channel', '=', by.channel).where('account_id', '=', by.accountId)
  const receivers: WebhookReceiver[] = []
  const unreadable: string[] = []
  for (const row of await query.execute()) {
    const { open, openNext, openFormer } = sealerOf(vault, row.id)
    try {
      receivers.push({
        id: row.id,
        tenantId: row.tenant_id,
        channel: row.channel,
        accountId: row.account_id,
        webhookAuth: row.webhook_auth,
        login: open('webhook_login_sealed', row.webhook_login_sealed),
        password: open('webhook_password_sealed', row.webhook_password_sealed),
        hmacSecret: open('webhook_hmac_secret_sealed', row.webhook_hmac_secret_sealed),
        nextCredentials: openNext(row.webhook_next_credentials_sealed),
        formerSecrets: openFormer(row.webhook_former_secrets_sealed),
      })
    } catch (error) {
      if (!(error instanceof AppError && error.kind === 'sealed_unreadable')) throw error
      unreadable.push(row.id)
    }
  }
  return { receivers, unreadable }
}

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
    token: vault.open(row.access_token_sealed, { table, column: 'access_token_sealed', row: connectionId }),
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
      access_token_sealed: sealerOf(vault, connectionId).seal('access_token_sealed', token.token),
      access_token_usable_at: token.usableAt,
      access_token_expires_at: token.expiresAt,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', connectionId)
    .where('key_set_at', '=', keySetAt)
    .execute()
}
