/** How long the controller waits for what, in milliseconds. */
export type OutboundTimes = {
  /** A listing settles so long after its first pending edit. */
  settleMs: number
  /** A listing rests so long after a push. */
  restMs: number
  /** A call that was begun is sent within this, or not at all. */
  startMs: number
  /** A call that timed out may still take effect at Hostaway for so long. */
  landingMs: number
  /** How long one worker may work on a listing without telling. */
  leaseMs: number
  /** A connection gives up its turn after this if it is not out of work before. */
  sliceMs: number
  /** Listings of one connection that are worked on at the same time. */
  parallel: number
}

/** The times that fit a time-out of calls to Hostaway. */
export function defaultOutboundTimes(timeoutMs: number): OutboundTimes {
  return {
    settleMs: 500,
    restMs: 2_000,
    startMs: 5_000,
    landingMs: timeoutMs,
    // A call that times out, and the one that tells whether Hostaway answers at all.
    leaseMs: 2 * timeoutMs + 10_000,
    sliceMs: 2_000,
    parallel: 8,
  }
}
