import CircuitBreaker from 'opossum'
import { AppError, factsOf } from '../../platform/errors.ts'
import { type BreakerState, breakerStates, type Metrics } from '../../platform/telemetry/metrics.ts'

export type BreakerOptions = {
  enabled: boolean
  /** It opens when at least so many calls ended within `windowMs` and more than half of them failed. */
  threshold: number
  windowMs: number
  resetMs: number
  onState: (state: BreakerState) => void
}

export type Breaker = ReturnType<typeof createBreaker>

type Outcome = 'success' | 'failure'

const successesAfterClosing = 2
const trialRetryMs = 1_000

/**
 * Stops calls while Hostaway does not answer. One per process. Calls are run here and only their outcomes are given to
 * opossum, so that the outcome of a call begun before the breaker last changed its state can be left out: opossum
 * alone would close on the late success of such a call.
 */
export function createBreaker({ enabled, threshold, windowMs, resetMs, onState }: BreakerOptions) {
  const circuit = new CircuitBreaker(
    async (outcome: Outcome) => {
      if (outcome === 'failure') throw new Error('The call failed')
    },
    {
      // The HTTP client ends calls; opossum's own time-out would count an outcome, not a call.
      timeout: false,
      volumeThreshold: threshold,
      errorThresholdPercentage: 50,
      rollingCountTimeout: windowMs,
      rollingCountBuckets: 12,
      resetTimeout: resetMs,
    },
  )
  let generation = 0
  let openedAt = 0
  let probationLeft = 0
  let trialInFlight = false

  circuit.on('open', () => {
    openedAt = Date.now()
    probationLeft = 0
    changed()
  })
  circuit.on('halfOpen', changed)
  circuit.on('close', () => {
    probationLeft = successesAfterClosing
    changed()
  })

  function changed(): void {
    generation += 1
    trialInFlight = false
    onState(state())
  }

  function state(): BreakerState {
    if (circuit.opened) return 'open'
    return circuit.halfOpen || probationLeft > 0 ? 'half_open' : 'closed'
  }

  function retryAtMs(): number {
    const soonest = Date.now() + trialRetryMs
    return circuit.opened ? Math.max(openedAt + resetMs, soonest) : soonest
  }

  function refuseWhileOpen(): void {
    if (circuit.opened || trialInFlight) throw refusal(retryAtMs())
  }

  async function settle(begun: number, outcome: Outcome): Promise<void> {
    if (begun !== generation) return
    const countsForProbation = probationLeft > 0
    await circuit.fire(outcome).catch(() => undefined)
    if (!countsForProbation) return
    if (outcome === 'failure') {
      circuit.open()
      return
    }
    probationLeft -= 1
    if (probationLeft === 0) changed()
  }

  /**
   * Runs a call unless the breaker is open, or one call is already trying whether Hostaway is back; then throws
   * `breaker_open` with the moment of the next try. `prepare` runs after admission and is not counted: what it throws
   * says nothing about the host.
   */
  async function run<Result>(call: () => Promise<Result>, prepare?: () => Promise<void>): Promise<Result> {
    if (!enabled) {
      await prepare?.()
      return call()
    }
    refuseWhileOpen()
    const isTrial = state() === 'half_open'
    const begun = generation
    if (isTrial) trialInFlight = true
    try {
      await prepare?.()
      if (begun !== generation) throw refusal(retryAtMs())
      return await counted(call, begun)
    } finally {
      if (isTrial && begun === generation) trialInFlight = false
    }
  }

  async function counted<Result>(call: () => Promise<Result>, begun: number): Promise<Result> {
    try {
      const result = await call()
      await settle(begun, 'success')
      return result
    } catch (error) {
      const outcome = outcomeOf(error)
      if (outcome !== undefined) await settle(begun, outcome)
      throw error
    }
  }

  onState('closed')
  return {
    run,
    state,
    /** Ends its timers; calls in flight are not touched. */
    close: () => circuit.shutdown(),
  }
}

/** An `onState` that keeps the gauge: 1 for the current state, 0 for the others. */
export function breakerStateGauge(metrics: Pick<Metrics, 'breakerState'>): (state: BreakerState) => void {
  return (current) => {
    for (const state of breakerStates) metrics.breakerState.set({ state }, state === current ? 1 : 0)
  }
}

function refusal(retryAtMs: number): AppError {
  return new AppError('breaker_open', 'Hostaway has not been answering; calls wait until it is back', {
    retryAt: new Date(retryAtMs),
  })
}

function outcomeOf(error: unknown): Outcome | undefined {
  if (!(error instanceof AppError)) return undefined
  const { remote } = factsOf(error)
  if (remote === 'unknown') return undefined
  return remote === 'down' ? 'failure' : 'success'
}
