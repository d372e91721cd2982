import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Connection } from '../connections/connection-store.ts'
import type { Config } from '../platform/config/config.ts'
import type { ListingRow } from '../platform/db/tables.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import type { Claim } from './lease-store.ts'
import type { OutboundTimes } from './outbound-times.ts'

type ProcessDeps = ChannelDeps & {
  metrics: Metrics
  config: Pick<Config, 'HOSTAWAY_API_TIMEOUT_MS' | 'HOSTAWAY_MAX_RETRIES' | 'HOSTAWAY_RETRY_DELAY_MS'>
  outboundTimes: OutboundTimes
}

/** What pushing needs of what lives as long as the process. */
export function pushDepsOf<Given extends ProcessDeps>(given: Given): Given & PushDeps {
  const { config, outboundTimes } = given
  return {
    ...given,
    times: outboundTimes,
    timeoutMs: config.HOSTAWAY_API_TIMEOUT_MS,
    maxAttempts: config.HOSTAWAY_MAX_RETRIES,
    retryDelayMs: config.HOSTAWAY_RETRY_DELAY_MS,
  }
}

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
