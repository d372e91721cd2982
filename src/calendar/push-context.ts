import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Connection } from '../connections/connection-store.ts'
import type { Config } from '../platform/config/config.ts'
import type { ListingRow } from '../platform/db/tables.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { defaultLeaseMs } from '../platform/work/leases.ts'
import type { ListingLease } from './listing-push-store.ts'

/** How long the controller waits for what, in milliseconds. */
export type OutboundTimes = {
  /** A listing settles so long after its first pending edit. */
  settleMs: number
  /** A listing rests so long after a push. */
  restMs: number
  /** A call that was begun is sent within this, or not at all. */
  startMs: number
  /** A call that timed out may still take effect at the channel for so long. */
  landingMs: number
  /** A lease without heartbeats ends after this. */
  leaseMs: number
  /** A connection ends its slice after this if it has not run out of work before. */
  sliceMs: number
  /** Listings of one connection that are worked on at the same time. */
  parallel: number
}

/** The times that fit a time-out of calls to the channel. */
export function defaultOutboundTimes(timeoutMs: number): OutboundTimes {
  return {
    settleMs: 500,
    restMs: 2_000,
    startMs: 5_000,
    landingMs: timeoutMs,
    leaseMs: defaultLeaseMs,
    sliceMs: 2_000,
    parallel: 8,
  }
}

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

/** For how long a call that begins now may still take effect at the channel, in milliseconds. */
export function mayLandForMs({ times, timeoutMs }: Pick<PushDeps, 'times' | 'timeoutMs'>): number {
  return times.startMs + timeoutMs + times.landingMs
}

/** One listing while it is being pushed. `today` is the day it is at the listing. */
export type Push = {
  deps: PushDeps
  connection: Pick<Connection, 'id' | 'tenantId' | 'accountId' | 'channel' | 'sync'>
  listing: ListingRow
  lease: ListingLease
  today: string
  attempts: number
}
