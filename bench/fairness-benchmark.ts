import { setTimeout as pause } from 'node:timers/promises'
import {
  availability,
  type ConnectedAccount,
  inDays,
  type OutboundSystem,
  startOutboundSystem,
} from './outbound-system.ts'
import type { Section } from './result-table.ts'
import type { Backend, Services } from './services.ts'

export type FairnessOptions = { backend: Backend; listings: number; tenants: number }

const workers = 2
const workersLimits = 'custom:10/1s,1000/1s'
const raised = 'custom:5000/1s,5000/1s'

/** How long tenants with one change each take by themselves, and beside one with a long list. */
export async function measureFairness(services: Services, options: FairnessOptions): Promise<Section[]> {
  const { backend, listings, tenants } = options
  const limits = { sandbox: 'off', api: raised, workers: workersLimits }
  const counts = [listings, ...Array.from({ length: tenants }, () => 1)]
  const system = await startOutboundSystem(services, { backend, listings: counts, limits })
  try {
    const [big, ...small] = system.accounts
    if (big === undefined) throw new Error('There is no account')
    const alone = await measureSmall(system, small, async () => desireAll(system, small, 30))
    const beside = await measureSmall(system, small, async () => {
      await desireAll(system, [big], 31)
      await desireAll(system, small, 31)
    })
    const row = (what: string, seen: typeof alone) => ({
      what,
      'calls of the small ones': seen.ownCalls,
      'calls until they were done': seen.calls,
      seconds: seen.seconds,
      'times alone': seen.seconds / alone.seconds,
      'calls per own call': seen.calls / seen.ownCalls,
    })
    return [
      {
        title: `${tenants} tenants with one listing each (${workersLimits}, ${backend})`,
        rows: [row('alone', alone), row(`beside one with ${listings} listings`, beside)],
      },
    ]
  } finally {
    await system.stop()
  }
}

async function desireAll(system: OutboundSystem, accounts: ConnectedAccount[], inDay: number): Promise<void> {
  const day = inDays(inDay)
  for (const account of accounts) {
    await system.post(
      account,
      account.units.map((unit) => availability(unit, day, day, false)),
    )
  }
}

async function measureSmall(system: OutboundSystem, small: ConnectedAccount[], desired: () => Promise<void>) {
  const ids = new Set<number | null>(small.map(({ accountId }) => accountId))
  await desired()
  await system.control.clearCalls()
  await system.startWorkers(workers)
  for (;;) {
    const calls = await system.control.calls({ method: 'PUT' })
    const own = calls.filter(({ accountId }) => ids.has(accountId))
    if (new Set(own.map(({ accountId }) => accountId)).size === ids.size) {
      await system.stopWorkers()
      const last = own.at(-1)
      return {
        ownCalls: own.length,
        calls: calls.findLastIndex(({ accountId }) => ids.has(accountId)) + 1,
        seconds: ((last?.arrivedAtMs ?? 0) - (calls[0]?.arrivedAtMs ?? 0)) / 1_000,
      }
    }
    await pause(50)
  }
}
