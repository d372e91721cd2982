import { type Kysely, sql } from 'kysely'
import type { WebhookSecrets } from '../channels/contract/channel.ts'
import type { Database } from '../platform/db/tables.ts'
import { AppError } from '../platform/errors.ts'
import type { Vault } from '../platform/vault/vault.ts'
import { openFormerSecrets, openNextCredentials } from './connection-secret-store.ts'

const table = 'hostaway_connections'

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
    const open = (
      column: 'webhook_login_sealed' | 'webhook_password_sealed' | 'webhook_hmac_secret_sealed',
    ) => {
      const sealed = row[column]
      return sealed === null ? null : vault.open(sealed, { table, column, row: row.id })
    }
    try {
      receivers.push({
        id: row.id,
        tenantId: row.tenant_id,
        channel: row.channel,
        accountId: row.account_id,
        webhookAuth: row.webhook_auth,
        login: open('webhook_login_sealed'),
        password: open('webhook_password_sealed'),
        hmacSecret: open('webhook_hmac_secret_sealed'),
        nextCredentials: openNextCredentials(vault, row.id, row.webhook_next_credentials_sealed),
        formerSecrets: openFormerSecrets(vault, row.id, row.webhook_former_secrets_sealed),
      })
    } catch (error) {
      if (!(error instanceof AppError && error.kind === 'sealed_unreadable')) throw error
      unreadable.push(row.id)
    }
  }
  return { receivers, unreadable }
}
