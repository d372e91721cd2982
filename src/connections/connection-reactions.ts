import type { Transaction } from 'kysely'
import type { ConnectionStatus, Database } from '../platform/db/tables.ts'
import type { ConnectionBacklog, ConnectionId, Module } from '../platform/module.ts'
import type { Logger } from '../platform/telemetry/logger.ts'

/** What all modules do, and know, about a connection. */
export type Reactions = {
  /** Runs in the transaction that changes the status. */
  statusChanged(
    trx: Transaction<Database>,
    connection: ConnectionId,
    change: { from: ConnectionStatus; to: ConnectionStatus },
  ): Promise<void>
  /** Runs in the transaction that connects to another account. */
  accountChanged(trx: Transaction<Database>, connectionId: string): Promise<void>
  /** Resumes all work that waited for a connection. Never rejects: the sweeps find the rest. */
  resumed(connectionId: string): Promise<void>
  backlog(connection: ConnectionId): Promise<ConnectionBacklog>
}

const noBacklog: ConnectionBacklog = {
  webhooks: 0,
  oldestWebhookSeconds: 0,
  pendingDays: 0,
  failedDays: 0,
  driftedDays: 0,
}

/** The reactions of modules as one; `deps` gives what the modules are given. */
export function bindReactions<Deps extends { log: Logger }>(
  modules: readonly Module<Deps>[],
  deps: () => Deps,
): Reactions {
  const reactions = modules.flatMap((module) => module.reactions ?? [])
  return {
    async statusChanged(trx, connection, change) {
      for (const { statusChanged } of reactions) await statusChanged?.(trx, connection, change)
    },
    async accountChanged(trx, connectionId) {
      for (const { accountChanged } of reactions) await accountChanged?.(trx, connectionId)
    },
    async resumed(connectionId) {
      const resumed = await Promise.allSettled(reactions.map((each) => each.resumed?.(deps(), connectionId)))
      for (const result of resumed) {
        if (result.status === 'fulfilled') continue
        deps().log.warn({ err: result.reason, connectionId }, 'connection.resumed_later')
      }
    },
    async backlog(connection) {
      const parts = await Promise.all(reactions.map((each) => each.backlog?.(deps(), connection)))
      return Object.assign({ ...noBacklog }, ...parts)
    },
  }
}
