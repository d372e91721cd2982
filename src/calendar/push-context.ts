import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Connection } from '../connections/connection-store.ts'
import type { ListingRow } from '../platform/db/tables.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import type { Claim } from './lease-store.ts'
import type { OutboundTimes } from './outbound-times.ts'

export type PushDeps = ChannelDeps & {
  metrics: Metrics
  times: OutboundTimes
  timeoutMs: number
  maxAttempts: number
  retryDelayMs: number
}

/** One listing while it is being pushed. `today` is the day it is at the listing. */
export type Push = {
  deps: PushDeps
  connection: Pick<Connection, 'id' | 'tenantId' | 'accountId' | 'channel' | 'sync'>
  listing: ListingRow
  claim: Claim
  today: string
  attempts: number
}
