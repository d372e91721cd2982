import type { BenchOptions } from './bench-options.ts'
import { processorSeconds, runTask } from './child-processes.ts'
import { type Contender, nameOf, type RunningContender, startContender } from './contenders.ts'
import type { PaceResult, PaceTask } from './pace.ts'
import { median } from './percentiles.ts'
import { inMilliseconds, progress } from './result-table.ts'
import type { SaturateResult, SaturateTask } from './saturate.ts'
import type { Services } from './services.ts'
import type { BodyKind } from './webhook-bodies.ts'

type ProcessorTime = Record<'server' | 'postgres' | 'redis', number | undefined>

export type ThroughputRound = SaturateResult & {
  contender: string
  body: string
  round: number
  /** Processor time per answered request; undefined where the system does not tell. */
  microseconds: ProcessorTime
}

const pacedPerSecond = 500

export function contendersOf(options: BenchOptions): Contender[] {
  return [
    { kind: 'bare', backend: options.backends[0] ?? 'postgres' },
    ...options.backends.flatMap((backend): Contender[] => [
      { kind: 'row', backend },
      { kind: 'ingress', backend },
    ]),
  ]
}

/** Answers per second with as many requests as each contender takes; the contenders alternate, so that other load on the machine hits all of them. */
export async function measureThroughput(
  services: Services,
  options: BenchOptions,
): Promise<ThroughputRound[]> {
  const rounds: ThroughputRound[] = []
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const body of options.bodies) {
      for (const contender of contendersOf(options)) {
        rounds.push({ round, ...(await saturateOnce(services, options, contender, body)) })
        console.error(progress(rounds.at(-1)))
      }
    }
  }
  return rounds
}

async function saturateOnce(
  services: Services,
  options: BenchOptions,
  contender: Contender,
  body: BodyKind,
): Promise<Omit<ThroughputRound, 'round'>> {
  const running = await startContender(services, contender, options.nodeOptions)
  try {
    const before = await readProcessorTimes(services, running)
    const task: SaturateTask = {
      url: running.webhookUrl,
      headers: running.account.headers,
      body: body.create(1),
      connections: options.connections,
      seconds: options.seconds,
      warmUpSeconds: options.warmUpSeconds,
    }
    const result = await runTask<SaturateResult>('bench/saturate.ts', task)
    const after = await readProcessorTimes(services, running)
    const answered = result.perSecond * (options.seconds + options.warmUpSeconds)
    const each = (part: keyof ProcessorTime) => {
      const [from, to] = [before[part], after[part]]
      return from === undefined || to === undefined ? undefined : ((to - from) * 1e6) / answered
    }
    return {
      contender: nameOf(contender),
      body: body.name,
      ...result,
      microseconds: { server: each('server'), postgres: each('postgres'), redis: each('redis') },
    }
  } finally {
    await running.stop()
  }
}

async function readProcessorTimes(services: Services, running: RunningContender): Promise<ProcessorTime> {
  const { redis } = services
  return {
    server: await processorSeconds(running.server.pid),
    postgres: await processorSeconds(services.postgresPid),
    redis: redis === undefined ? undefined : await processorSeconds(redis.pid),
  }
}

/** Median over the rounds, and the ratio to the bare server and to the pattern measured in the same rounds. */
export function summarise(rounds: ThroughputRound[], options: BenchOptions) {
  return options.bodies.flatMap((body) => {
    const of = (name: string) => rounds.filter((one) => one.body === body.name && one.contender === name)
    return contendersOf(options).map((contender) => {
      const own = of(nameOf(contender))
      const ratioTo = (other: Contender) =>
        median(
          own.map((one) => {
            const match = of(nameOf(other)).find(({ round }) => round === one.round)
            return one.perSecond / (match?.perSecond ?? Number.NaN)
          }),
        )
      const bare: Contender = { kind: 'bare', backend: contender.backend }
      const row: Contender = { kind: 'row', backend: contender.backend }
      return {
        body: body.name,
        server: nameOf(contender),
        'answers/s': Math.round(median(own.map(({ perSecond }) => perSecond))),
        'x bare': contender.kind === 'bare' ? undefined : ratioTo(bare),
        'x row': contender.kind === 'ingress' ? ratioTo(row) : undefined,
        'p50 ms': median(own.map(({ p50 }) => p50)),
        'p99 ms': median(own.map(({ p99 }) => p99)),
        'server us': median(own.map(({ microseconds }) => microseconds.server ?? Number.NaN)),
        'postgres us': median(own.map(({ microseconds }) => microseconds.postgres ?? Number.NaN)),
        'redis us': median(own.map(({ microseconds }) => microseconds.redis ?? Number.NaN)),
        refused: own.reduce((sum, { refused }) => sum + refused, 0),
      }
    })
  })
}

/** Latency of the answer at a fixed rate. */
export async function measurePaced(services: Services, options: BenchOptions) {
  const rows = []
  for (const body of options.bodies) {
    for (const contender of contendersOf(options)) {
      const running = await startContender(services, contender, options.nodeOptions)
      try {
        const task: PaceTask = {
          url: running.webhookUrl,
          method: 'POST',
          headers: running.account.headers,
          body: { kind: body.name, firstReservation: 1 },
          perSecond: pacedPerSecond,
          seconds: options.seconds,
          warmUpSeconds: options.warmUpSeconds,
        }
        const { answers, refused } = await runTask<PaceResult>('bench/pace.ts', task)
        rows.push({ body: body.name, server: nameOf(contender), ...inMilliseconds(answers), refused })
        console.error(progress(rows.at(-1)))
      } finally {
        await running.stop()
      }
    }
  }
  return rows
}
