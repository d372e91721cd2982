import { type Kysely, sql, type Transaction } from 'kysely'
import type { BasicCredentials } from '../channels/contract/channel.ts'
import { forgetListings } from '../listings/listing-store.ts'
import type { Database, WebhookAuth } from '../platform/db/tables.ts'
import { limitAccount } from '../platform/limiter/call-window-store.ts'
import { callsPerMinute } from '../platform/limiter/rate-limit-profile.ts'
import type { Vault } from '../platform/vault/vault.ts'
import type { Reactions } from './connection-reactions.ts'
import type { SyncPart } from './connection-store.ts'

const table = 'hostaway_connections'

/** What may be changed about a connection; what is undefined is kept. */
export type ConnectionOptions = {
  autoImport?: boolean | undefined
  autoMapListings?: boolean | undefined
  webhookAuth?: WebhookAuth | undefined
  alertingEmailAddress?: string | null | undefined
  sync?: Partial<Record<SyncPart, { enabled?: boolean; cron?: string | null } | undefined>> | undefined
  rateLimit?: { perMinute: number | null; burst: number | null } | undefined
}

const columnsOf = {
  availability: { enabled: 'sync_availability', cron: 'sync_availability_cron' },
  pricing: { enabled: 'sync_pricing', cron: 'sync_pricing_cron' },
  listings: { enabled: 'sync_listings', cron: 'sync_listings_cron' },
  reconcile: { enabled: 'reconcile', cron: 'reconcile_cron' },
} as const satisfies Record<SyncPart, { enabled: string; cron: string }>

/** Changes options of a connection; safe to repeat. A changed address for alerts reaches Hostaway with the next look. */
export async function changeOptions(
  db: Kysely<Database>,
  id: string,
  options: ConnectionOptions,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('hostaway_connections')
      .set({
        ...optionColumns(options),
        ...(options.alertingEmailAddress === undefined
          ? {}
          : { webhook_check_due_at: sql<Date>`clock_timestamp()` }),
        updated_at: sql<Date>`clock_timestamp()`,
      })
      .where('id', '=', id)
      .returning(['account_id', 'calls_per_minute', 'calls_at_once'])
      .executeTakeFirst()
    if (row !== undefined) await applyLimit(trx, row)
  })
}

// The limiter looks at the account's window only.
async function applyLimit(
  trx: Transaction<Database>,
  row: { account_id: string; calls_per_minute: number | null; calls_at_once: number | null },
): Promise<void> {
  const perMinute = row.calls_per_minute
  const own = perMinute === null ? undefined : callsPerMinute(perMinute, row.calls_at_once ?? perMinute)
  await limitAccount(trx, row.account_id, own)
}

type ConnectAgainDeps = {
  db: Kysely<Database>
  vault: Vault
  reactions: Pick<Reactions, 'accountChanged'>
}

/**
 * Gives a connection a key that was proven, and forgets the token of the old one; the options that are named are
 * changed along. One that was disconnected begins anew as `connecting`, with webhook credentials of its own; where it is
 * another account then, the listings of the old one stand for nothing any more. Fails with the unique violation of the
 * account index where another tenant has the account.
 */
export async function connectAgain(
  { db, vault, reactions }: ConnectAgainDeps,
  id: string,
  change: {
    accountId: string
    apiKey: string
    webhookUrl: string
    credentials: BasicCredentials
    options: ConnectionOptions
  },
): Promise<void> {
  const seal = (column: string, value: string) => vault.seal(value, { table, column, row: id })
  const { credentials } = change
  await db.transaction().execute(async (trx) => {
    const before = await lockConnection(trx, id)
    if (before.account_id !== change.accountId) {
      // The listings first, as everywhere that writes desired values.
      await forgetListings(trx, id)
      await reactions.accountChanged(trx, id)
    }
    const isNew = before.webhook_login_sealed === null
    const row = await trx
      .updateTable('hostaway_connections')
      .set({
        ...optionColumns(change.options),
        account_id: change.accountId,
        webhook_url: change.webhookUrl,
        api_key_sealed: seal('api_key_sealed', change.apiKey),
        key_set_at: new Date(),
        access_token_sealed: null,
        access_token_usable_at: null,
        access_token_expires_at: null,
        disconnecting_since: null,
        ...(before.status === 'disconnected'
          ? {
              status: 'connecting',
              status_reason: null,
              last_sync_at: before.account_id === change.accountId ? before.last_sync_at : null,
            }
          : {}),
        ...(isNew
          ? {
              webhook_login_sealed: seal('webhook_login_sealed', credentials.login),
              webhook_password_sealed: seal('webhook_password_sealed', credentials.password),
            }
          : {}),
        // A process that looked before the row existed caches that for a moment.
        ...(isNew || before.status === 'disconnected'
          ? { webhook_secrets_set_at: sql<Date>`clock_timestamp()` }
          : {}),
        updated_at: sql<Date>`clock_timestamp()`,
      })
      .where('id', '=', id)
      .returning(['account_id', 'calls_per_minute', 'calls_at_once'])
      .executeTakeFirstOrThrow()
    await applyLimit(trx, row)
  })
}

async function lockConnection(trx: Transaction<Database>, id: string) {
  return trx
    .selectFrom('hostaway_connections')
    .select(['status', 'account_id', 'webhook_login_sealed', 'last_sync_at'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirstOrThrow()
}

function optionColumns(options: ConnectionOptions) {
  const { autoImport, autoMapListings, webhookAuth, alertingEmailAddress, sync = {}, rateLimit } = options
  return {
    ...(autoImport === undefined ? {} : { auto_import: autoImport }),
    ...(autoMapListings === undefined ? {} : { auto_map_listings: autoMapListings }),
    ...(webhookAuth === undefined
      ? {}
      : { webhook_auth: webhookAuth, webhook_secrets_set_at: nowUnlessAccepted(webhookAuth) }),
    ...(alertingEmailAddress === undefined ? {} : { alerting_email_address: alertingEmailAddress }),
    ...(rateLimit === undefined
      ? {}
      : { calls_per_minute: rateLimit.perMinute, calls_at_once: rateLimit.burst }),
    ...Object.fromEntries(
      Object.entries(sync).flatMap(([part, setting]) => {
        const { enabled, cron } = columnsOf[part as SyncPart]
        return [
          ...(setting?.enabled === undefined ? [] : [[enabled, setting.enabled]]),
          ...(setting?.cron === undefined ? [] : [[cron, setting.cron]]),
        ]
      }),
    ),
  }
}

// Another mode is a change of what is accepted, like another secret.
function nowUnlessAccepted(mode: WebhookAuth) {
  return sql<Date>`case when webhook_auth = ${mode} then webhook_secrets_set_at else clock_timestamp() end`
}
