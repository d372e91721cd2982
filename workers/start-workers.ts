import { type Deps, modules, refreshGauges } from '../src/deps.ts'
import { pingDatabase } from '../src/platform/db/database.ts'
import { serveHealth } from '../src/platform/http/health.ts'
import { acquire } from '../src/platform/process/acquire.ts'
import { defaultProgressTimes, type ProgressTimes, type ProgressWatch, watchProgress } from './progress.ts'
import { runLoop } from './run-loop.ts'
import { startUpkeep } from './upkeep.ts'
import { type QueueWork, workOnQueue } from './work-queue.ts'

export type RunningWorkers = { close(): Promise<void> }

const defaultMetricsPort = 9_464

/** Starts what the modules declare, and on METRICS_PORT what the operators of the process look at. */
export async function startWorkers(
  deps: Deps,
  progressTimes: ProgressTimes = defaultProgressTimes,
): Promise<RunningWorkers> {
  return acquire((releases) => start(deps, progressTimes, releases))
}

async function start(
  deps: Deps,
  times: ProgressTimes,
  releases: AsyncDisposableStack,
): Promise<RunningWorkers> {
  const { config, log, metrics, queues } = deps
  const jobs = modules.flatMap((module) => module.jobs?.(deps) ?? [])
  const works = new Map<string, QueueWork>()
  const watched = [...Map.groupBy(jobs, ({ queue }) => queue)].map(([queue, ofQueue]) => {
    const rebuild = async () => works.get(queue)?.rebuild()
    const progress = watchProgress({ metrics, queue, queues, log, times, rebuild })
    releases.defer(async () => progress.close())
    return { queue, jobs: ofQueue, progress }
  })
  await listen(deps, watched, releases)

  for (const { queue, jobs, progress } of watched) {
    works.set(queue, workOnQueue(deps, queue, jobs, progress.made))
  }
  const loops = modules.flatMap((module) => module.loops?.(deps) ?? []).map((loop) => runLoop(deps, loop))
  // All at once: each may need most of the time that the process is given to end.
  const working = [...works.values(), ...loops]
  releases.defer(async () => void (await Promise.all(working.map((work) => work.close()))))
  const upkeep = startUpkeep(
    deps,
    modules.flatMap((module) => module.sweeps?.(deps) ?? []),
  )
  releases.defer(() => upkeep.close())
  log.info(
    { concurrency: config.WORKER_CONCURRENCY, metricsPort: config.METRICS_PORT ?? defaultMetricsPort },
    'worker.started',
  )
  return { close: () => releases.disposeAsync() }
}

async function listen(
  deps: Deps,
  watched: Array<{ queue: string; progress: ProgressWatch }>,
  releases: AsyncDisposableStack,
): Promise<void> {
  const { config, metrics, queues, db } = deps
  const options = {
    metrics,
    refreshGauges: () => refreshGauges(deps),
    readiness: [
      { name: 'database', check: async () => void (await pingDatabase(db)) },
      { name: 'queue', check: async () => (queues.ready() ? undefined : 'not connected') },
      ...watched.map(({ queue, progress }) => ({
        name: `${queue} worker`,
        check: async () => (progress.isStalled() ? 'work waits and none is done' : undefined),
      })),
    ],
  }
  const app = await serveHealth(options, {
    host: config.HOST,
    port: config.METRICS_PORT ?? defaultMetricsPort,
  })
  releases.defer(() => app.close())
}
