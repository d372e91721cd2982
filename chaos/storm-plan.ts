import type { Draw } from './seeded-draw.ts'

export type KillTarget = 'the api' | 'a worker' | 'all workers' | 'everything'
export type HostawayFault = 'answers 5xx' | 'hangs' | 'drops bodies'

export type Round =
  /** SIGKILL at a random moment, started again after a random while; Hostaway's API may fail meanwhile. */
  | { kind: 'kill'; target: KillTarget; fault: HostawayFault | undefined; atShare: number; awayMs: number }
  | { kind: 'postgres'; how: 'fast' | 'crash'; awayMs: number }
  | { kind: 'redis'; how: 'flush' | 'restart' | 'away'; awayMs: number }
  /** Every webhook comes several times. */
  | { kind: 'duplicates'; copies: number }

export type StormOptions = { rounds: number; redis: boolean; postgresAwayMs: number; redisAwayMs: number }

type Step =
  | { kind: 'kill'; target: KillTarget; fault?: HostawayFault }
  | { kind: Exclude<Round['kind'], 'kill'> }

const steps: Step[] = [
  { kind: 'kill', target: 'everything' },
  { kind: 'redis' },
  { kind: 'postgres' },
  { kind: 'kill', target: 'all workers', fault: 'answers 5xx' },
  { kind: 'kill', target: 'the api' },
  { kind: 'duplicates' },
  { kind: 'kill', target: 'a worker', fault: 'drops bodies' },
  { kind: 'redis' },
  { kind: 'kill', target: 'the api', fault: 'hangs' },
  { kind: 'kill', target: 'everything' },
  { kind: 'postgres' },
  { kind: 'redis' },
  { kind: 'kill', target: 'all workers' },
  { kind: 'kill', target: 'a worker' },
]

/** What happens in each round; the same for the same seed. The first three rounds hold a kill and both outages. */
export function planStorm(options: StormOptions, draw: Draw): Round[] {
  const possible = steps.filter(({ kind }) => options.redis || kind !== 'redis')
  const redisWays = ['flush', 'restart', 'away'] as const
  const postgresWays = ['fast', 'crash'] as const
  let redisRounds = 0
  let postgresRounds = 0
  function plan(step: Step): Round {
    if (step.kind === 'kill') {
      const { target, fault } = step
      return { kind: 'kill', target, fault, atShare: draw.fraction(), awayMs: draw.whole(0, 1_500) }
    }
    if (step.kind === 'duplicates') return { kind: 'duplicates', copies: draw.whole(2, 4) }
    if (step.kind === 'redis') {
      const how = redisWays[redisRounds % redisWays.length] ?? 'flush'
      redisRounds += 1
      return { kind: 'redis', how, awayMs: how === 'away' ? options.redisAwayMs : 0 }
    }
    const how = postgresWays[postgresRounds % postgresWays.length] ?? 'fast'
    postgresRounds += 1
    return { kind: 'postgres', how, awayMs: how === 'fast' ? options.postgresAwayMs : draw.whole(500, 3_000) }
  }
  return Array.from({ length: options.rounds }, (_, index) =>
    plan(possible[index % possible.length] ?? { kind: 'duplicates' }),
  )
}

/** A round as a reader sees it in the log. */
export function describeRound(round: Round): string {
  switch (round.kind) {
    case 'kill': {
      const fault = round.fault === undefined ? '' : ` while Hostaway ${round.fault}`
      return `SIGKILL to ${round.target}${fault}, away for ${round.awayMs} ms`
    }
    case 'postgres':
      return `PostgreSQL ${round.how === 'fast' ? 'stopped' : 'killed'}, away for ${round.awayMs} ms`
    case 'redis':
      return round.how === 'flush' ? 'Redis flushed' : `Redis ended, away for ${round.awayMs} ms`
    case 'duplicates':
      return `every webhook ${round.copies} times`
  }
}
