import { setTimeout as delay } from 'node:timers/promises'
import { Problem } from '../platform/http/problems.ts'
import { ensureTenant } from '../tenants/tenant-store.ts'
import { type ConnectDeps, connect } from './connect.ts'
import { readConnectionSecrets } from './connection-secret-store.ts'
import { type Connection, findConnectionOfTenant } from './connection-store.ts'

const tenantSlug = 'default'
const firstRetryMs = 5_000
const maxRetryMs = 300_000

export type DefaultAccount = { accountId: string; apiKey: string; webhookSecret: string | undefined }

/**
 * Connects the tenant `default` to the account of the settings, and tries again while the channel is away. Safe at every
 * start: an existing connection keeps its webhook. Never rejects; what is wrong is logged.
 */
export async function connectDefaultAccount(
  deps: ConnectDeps,
  account: DefaultAccount,
  stopped: AbortSignal,
): Promise<void> {
  for (let retryMs = firstRetryMs; !stopped.aborted; retryMs = Math.min(retryMs * 2, maxRetryMs)) {
    try {
      const tenant = await ensureTenant(deps.db, tenantSlug)
      const known = await findConnectionOfTenant(deps.db, tenant.id, deps.channels.standard.name)
      if (await isConnected(deps, known, account)) return
      const { connection } = await connect(deps, tenant, {
        ...account,
        // What was changed through the API since stays changed.
        ...(known === undefined || known.status === 'disconnected' ? { autoImport: true } : {}),
      })
      deps.log.info({ connectionId: connection.id, tenant: tenantSlug }, 'connection.default_connected')
      return
    } catch (error) {
      if (stopped.aborted) return
      deps.log.error({ err: error, tenant: tenantSlug }, 'connection.default_failed')
      if (error instanceof Problem && error.status < 500) return
    }
    await delay(retryMs, undefined, { signal: stopped }).catch(() => undefined)
  }
}

// Connecting again would spend calls at every start, and make the key look new.
async function isConnected(
  deps: ConnectDeps,
  connection: Connection | undefined,
  account: DefaultAccount,
): Promise<boolean> {
  if (connection?.status !== 'active' && connection?.status !== 'paused') return false
  if (connection.accountId !== account.accountId) return false
  const secrets = await readConnectionSecrets(deps.db, deps.vault, connection.id)
  const { apiKey, webhookSecret = secrets?.webhookHmacSecret } = account
  return secrets?.apiKey === apiKey && secrets.webhookHmacSecret === webhookSecret
}
