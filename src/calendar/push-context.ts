import type { Transaction } from 'kysely'
import type { AccessTokenDeps } from '../connections/access-token.ts'
import type { Connection } from '../connections/connection-store.ts'
import type { Database, ListingRow } from '../platform/db/tables.ts'
import type { AppError } from '../platform/errors.ts'
import type { BreakerState, Metrics } from '../platform/telemetry/metrics.ts'
import type { Claim } from './lease-store.ts'
import type { OutboundTimes } from './outbound-times.ts'

/** What could not be pushed and waits for a person. Without a `day` it is the listing as a whole. */
export type DeadLettered = {
  tenantId: string
  connectionId: string
  listingId: string
  day?: string
  error: AppError
  attempts: number
}

export type PushDeps = AccessTokenDeps & {
  metrics: Metrics
  times: OutboundTimes
  timeoutMs: number
  maxAttempts: number
  retryDelayMs: number
  breakerState: () => BreakerState
  /** Opens the dead letter, in the transaction that sets aside what it is about. */
  deadLetter: (trx: Transaction<Database>, letter: DeadLettered) => Promise<void>
}

/** One listing while it is being pushed. `today` is the day it is at the listing. */
export type Push = {
  deps: PushDeps
  connection: Pick<Connection, 'id' | 'tenantId' | 'accountId' | 'sync'>
  listing: ListingRow
  claim: Claim
  today: string
  attempts: number
}
