import { setTimeout as pause } from 'node:timers/promises'
import type { ControlClient } from '../sandbox/control-client.ts'
import type { Draw } from './seeded-draw.ts'
import type { HostawayFault, Round } from './storm-plan.ts'
import type { Storm } from './storm-record.ts'
import { answersWell, until } from './until.ts'
import type { Victim } from './victim-process.ts'
import type { VictimSystem } from './victim-system.ts'

type FaultRequest = Parameters<ControlClient['injectFault']>[0]

const recoversWithinMs = 30_000

/** Lets a round happen, and notes what came of it. Everything runs again when it is over. */
export async function runRound(storm: Storm, round: Round, roundMs: number, draw: Draw): Promise<void> {
  const { system } = storm
  switch (round.kind) {
    case 'kill': {
      if (round.fault !== undefined) await injectFault(storm, round.fault)
      const at = round.atShare * roundMs * 0.5
      await pause(at)
      const victims = victimsOf(system, round, draw)
      await Promise.all(victims.map((victim) => victim.kill()))
      await pause(round.awayMs)
      await Promise.all(victims.map((victim) => victim.start()))
      await pause(Math.max(0, roundMs - at - round.awayMs))
      await system.control.clearFaults()
      return
    }
    case 'postgres': {
      await pause(roundMs * 0.3)
      await system.database.stop(round.how)
      const from = Date.now()
      await pause(round.awayMs)
      storm.outages.push({ from, to: Date.now() })
      await system.database.start()
      await noteRecovery(storm)
      await pause(roundMs * 0.3)
      return
    }
    case 'redis': {
      await pause(roundMs * 0.3)
      if (round.how === 'flush') await system.redis?.flush()
      else {
        await system.redis?.stop()
        await pause(round.awayMs)
        await system.redis?.start()
      }
      await noteRecovery(storm)
      await pause(roundMs * 0.3)
      return
    }
    case 'duplicates':
      await system.control.setSwitches({ extraDeliveries: round.copies - 1 })
      await pause(roundMs)
      await system.control.setSwitches({ extraDeliveries: 0 })
  }
}

function victimsOf(system: VictimSystem, round: Extract<Round, { kind: 'kill' }>, draw: Draw): Victim[] {
  switch (round.target) {
    case 'the api':
      return [system.api]
    case 'a worker':
      return [draw.pick(system.workers)]
    case 'all workers':
      return system.workers
    case 'everything':
      return [system.api, ...system.workers]
  }
}

async function injectFault(storm: Storm, fault: HostawayFault): Promise<void> {
  if (fault === 'hangs') await inject(storm, { kind: 'hang' })
  else if (fault === 'answers 5xx') await inject(storm, { kind: 'status', status: 503 })
  else {
    await inject(storm, { kind: 'malformed', malformation: 'truncated', count: 20 })
    await inject(storm, { kind: 'drop' })
  }
}

/** Makes calls fail, and notes how. */
export async function inject({ system, faults }: Storm, request: FaultRequest): Promise<void> {
  const rule = await system.control.injectFault(request)
  faults.set(rule.id, rule)
}

// Nothing is restarted here: every client has to reconnect by itself.
async function noteRecovery({ system, recoveriesMs, complaints }: Storm): Promise<void> {
  const startedAt = Date.now()
  for (const process of [system.api, ...system.workers]) {
    const isReady = () => answersWell(process.aliveUrl.replace('/healthz', '/readyz'))
    if (!(await until(isReady, { withinMs: recoversWithinMs }))) {
      complaints.push(`${process.name} was not ready ${recoversWithinMs / 1_000} s after the outage`)
    }
  }
  recoveriesMs.push(Date.now() - startedAt)
}
