import fastify from 'fastify'
import { type Deps, modules, refreshGauges } from '../src/deps.ts'
import { pingDatabase } from '../src/platform/db/leader-lock.ts'
import { healthRoutes } from '../src/platform/http/health.ts'
import { closeIdleConnections } from '../src/platform/http/idle-connections.ts'
import { useProblems } from '../src/platform/http/problems.ts'
import { acquire } from '../src/platform/process/acquire.ts'
import { listenOn } from '../src/platform/process/start-error.ts'
import { inboundQueue, outboundQueue } from '../src/platform/queue/queues.ts'
import type { QueueName } from '../src/platform/telemetry/metrics.ts'
import { startHistoryWorker } from './history-worker.ts'
import { startInboundWorker } from './inbound-worker.ts'
import { startOutboundWorker } from './outbound-worker.ts'
import { defaultProgressTimes, type ProgressTimes, watchProgress } from './progress.ts'
import type { ReplaceableWorker } from './replaceable-worker.ts'
import { startUpkeep } from './upkeep.ts'

export type RunningWorkers = { close(): Promise<void> }

/** Starts every worker of a process and, on METRICS_PORT, what its operators look at. */
export async function startWorkers(
  deps: Deps,
  progressTimes: ProgressTimes = defaultProgressTimes,
): Promise<RunningWorkers> {
  return acquire((releases) => start(deps, progressTimes, releases))
}

async function start(
  deps: Deps,
  progressTimes: ProgressTimes,
  releases: AsyncDisposableStack,
): Promise<RunningWorkers> {
  const { config, log, metrics, queues, db } = deps
  const watch = (queue: QueueName) => {
    let worker: ReplaceableWorker | undefined
    const progress = watchProgress({
      metrics,
      queue,
      queues,
      log,
      times: progressTimes,
      rebuild: async () => worker?.rebuild(),
    })
    releases.defer(async () => progress.close())
    return {
      name: `${queue} worker`,
      check: async () => (progress.isStalled() ? 'work waits and none is done' : undefined),
      start(open: (deps: Deps, onProgress: () => void) => ReplaceableWorker) {
        worker = open(deps, progress.made)
        return worker
      },
    }
  }
  const inbound = watch(inboundQueue)
  const outbound = watch(outboundQueue)

  const app = fastify({ logger: false })
  useProblems(app)
  closeIdleConnections(app)
  await app.register(healthRoutes, {
    metrics,
    refreshGauges: () => refreshGauges(deps),
    readiness: [
      { name: 'database', check: async () => void (await pingDatabase(db)) },
      { name: 'queue', check: async () => (queues.ready() ? undefined : 'not connected') },
      inbound,
      outbound,
    ],
  })
  const address = { host: config.HOST, port: config.METRICS_PORT }
  await listenOn(() => app.listen(address), { ...address, setting: 'METRICS_PORT' })
  releases.defer(() => app.close())

  const workers = [
    inbound.start(startInboundWorker),
    outbound.start(startOutboundWorker),
    startHistoryWorker(deps),
  ]
  // All at once: each may need most of the time that the process is given to end.
  releases.defer(async () => void (await Promise.all(workers.map((worker) => worker.close()))))
  const upkeep = startUpkeep(
    deps,
    modules.flatMap((module) => module.sweeps?.(deps) ?? []),
  )
  releases.defer(() => upkeep.close())
  log.info({ concurrency: config.WORKER_CONCURRENCY, metricsPort: config.METRICS_PORT }, 'worker.started')
  return { close: () => releases.disposeAsync() }
}
