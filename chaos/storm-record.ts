import type { ControlClient } from '../sandbox/control-client.ts'
import type { VictimSystem } from './victim-system.ts'

/** A stretch of time in which PostgreSQL was certainly away, in milliseconds since 1970. */
export type Outage = { from: number; to: number }

type FaultRule = Awaited<ReturnType<ControlClient['injectFault']>>

/** What is noted while a storm goes on. */
export type Storm = {
  system: VictimSystem
  listingIds: number[]
  /** Every fault that was injected, by its id. */
  faults: Map<number, FaultRule>
  outages: Outage[]
  /** From the moment something was back until every process said it can do its job. */
  recoveriesMs: number[]
  complaints: string[]
}
