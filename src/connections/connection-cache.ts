import type { Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Database } from '../platform/db/tables.ts'
import { AppError } from '../platform/errors.ts'
import { isUuid } from '../platform/http/paging.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { Vault } from '../platform/vault/vault.ts'
import { readWebhookReceivers, type WebhookReceiver } from './connection-secret-store.ts'

/** Finds the receiver of a webhook without a query per request. */
export type ConnectionCache = {
  /** Undefined where there is no such connection; rejects where that could not be found out. */
  byId(connectionId: string): Promise<WebhookReceiver | undefined>
  byAccount(channel: string, accountId: string): Promise<WebhookReceiver | undefined>
  close(): void
}

type Entry = { receiver: WebhookReceiver | undefined; checkedAt: number }

const refreshMs = 400
// A change is seen within a second: what could not be confirmed for this long is looked up again.
const staleMs = 900
const forgetUnusedMs = 60_000
const maxEntries = 20_000

/** Refreshes everything that is in use with one query every 400 ms; misses are remembered as well, and looked up once at a time. */
export function createConnectionCache(options: {
  db: Kysely<Database>
  vault: Vault
  log: Logger
}): ConnectionCache {
  const entries = new LRUCache<string, Entry>({
    max: maxEntries,
    ttl: forgetUnusedMs,
    updateAgeOnGet: true,
  })
  const accounts = new LRUCache<string, Entry>({
    max: maxEntries,
    ttl: forgetUnusedMs,
    updateAgeOnGet: true,
  })
  const lookUps = new Map<string, Promise<WebhookReceiver | undefined>>()
  let refreshing = false

  const timer = setInterval(() => {
    if (refreshing) return
    refreshing = true
    refresh()
      .catch((error: unknown) => options.log.warn({ err: error }, 'connection_cache.refresh_failed'))
      .finally(() => {
        refreshing = false
      })
  }, refreshMs)
  timer.unref()

  async function refresh(): Promise<void> {
    const known = [...entries.entries()].filter(([, { receiver }]) => receiver !== undefined)
    if (known.length === 0) return
    const startedAt = Date.now()
    const ids = known.map(([id]) => id)
    const { receivers, unreadable } = await readWebhookReceivers(options.db, options.vault, { ids })
    const byId = new Map(receivers.map((receiver) => [receiver.id, receiver]))
    // An entry that cannot be refreshed grows stale; its next user looks it up again.
    for (const id of ids.filter((known) => !unreadable.includes(known))) {
      // noUpdateTTL: being refreshed is not being used.
      entries.set(id, { receiver: byId.get(id), checkedAt: startedAt }, { noUpdateTTL: true })
    }
  }

  async function lookUp(
    key: string,
    by: { ids: string[] } | { channel: string; accountId: string },
  ): Promise<WebhookReceiver | undefined> {
    const running = lookUps.get(key)
    if (running !== undefined) return running
    const startedAt = Date.now()
    const started = readWebhookReceivers(options.db, options.vault, by)
      .then(({ receivers: [receiver], unreadable }) => {
        if (unreadable.length > 0) {
          throw new AppError('sealed_unreadable', `No key opens the secrets of connection ${unreadable[0]}`)
        }
        if ('ids' in by) entries.set(key, { receiver, checkedAt: startedAt })
        else accounts.set(key, { receiver, checkedAt: startedAt })
        return receiver
      })
      .finally(() => lookUps.delete(key))
    lookUps.set(key, started)
    return started
  }

  const isFresh = (entry: Entry | undefined): entry is Entry =>
    entry !== undefined && Date.now() - entry.checkedAt < staleMs

  async function byId(connectionId: string): Promise<WebhookReceiver | undefined> {
    const id = connectionId.toLowerCase()
    if (!isUuid(id)) return undefined
    const entry = entries.get(id)
    return isFresh(entry) ? entry.receiver : lookUp(id, { ids: [id] })
  }

  return {
    byId,
    async byAccount(channel, accountId) {
      const key = `account ${channel} ${accountId}`
      const entry = accounts.get(key)
      // The account leads to an id that the refresh keeps fresh, so a busy account costs no query of its own.
      if (entry?.receiver !== undefined) {
        const receiver = await byId(entry.receiver.id)
        if (receiver?.channel === channel && receiver.accountId === accountId) return receiver
      } else if (isFresh(entry)) return undefined
      return lookUp(key, { channel, accountId })
    },
    close: () => clearInterval(timer),
  }
}
