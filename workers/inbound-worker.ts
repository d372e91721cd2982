import { createReservationFetcher } from '../src/bookings/apply/fetch-reservation.ts'
import { countProcessed, processWebhook } from '../src/bookings/apply/process-webhook.ts'
import { createSharedStatements } from '../src/bookings/apply/shared-statements.ts'
import { signalConnections } from '../src/calendar/signal-connections.ts'
import { openDeadLetter } from '../src/dead-letters/dead-letter-store.ts'
import type { Deps } from '../src/deps.ts'
import { AppError } from '../src/platform/errors.ts'
import { type InboundJob, inboundQueue } from '../src/platform/queue/queues.ts'
import { findWebhook, finishWebhook } from '../src/webhooks/webhook-log.ts'
import { openReplaceableWorker, type ReplaceableWorker } from './replaceable-worker.ts'
import { createBatchRunner, readBatch } from './run-batch.ts'
import { createRunner, type FailedJob, type JobDefinition } from './run-job.ts'

/** Turns stored webhooks into bookings. */
export function startInboundWorker(deps: Deps, onProgress: () => void): ReplaceableWorker {
  const { config, log } = deps
  const processing = {
    ...deps,
    fetcher: createReservationFetcher(deps),
    shared: createSharedStatements(deps.db),
    signalPushes: (connectionId: string) => signalConnections(deps.db, deps.queues, [connectionId]),
  }
  const definition: JobDefinition<InboundJob> = {
    queue: inboundQueue,
    parse: parseInboundJob,
    run: ({ webhookId }) => processWebhook(processing, webhookId),
    deadLetter: (failure) => deadLetterWebhook(deps, failure),
  }
  const runOne = createRunner(definition, {
    maxAttempts: config.HOSTAWAY_MAX_RETRIES,
    retryDelayMs: config.HOSTAWAY_RETRY_DELAY_MS,
    log,
    onProgress,
  })
  return openReplaceableWorker(deps.queueBackend, inboundQueue, {
    concurrency: config.WORKER_CONCURRENCY,
    run: createBatchRunner({ runOne, queues: deps.queues, concurrency: config.WORKER_CONCURRENCY, log }),
    onStalledOut(job) {
      const batch = readBatch(job.data)
      if (batch !== undefined) {
        // One of them may be what the process dies of: alone, it is found out. The sweep offers them if this fails.
        const again = batch.webhookIds.map((id) => ({
          ...{ id, connectionId: batch.connectionId },
          ...{ delayMs: 0, attemptsBefore: 0 },
        }))
        deps.queues
          .enqueueWebhooksAgain(again)
          .catch((cause: unknown) =>
            log.warn({ err: cause, webhooks: batch.webhookIds.length }, 'webhook.enqueue_failed'),
          )
        return
      }
      const payload = parseInboundJob(job.data)
      if (payload === undefined) return
      const error = new AppError('stalled', 'The process died under this job again and again')
      const failure = { job: job.name, payload, error, attempts: job.attempt }
      // The sweep offers the webhook again if this cannot be stored.
      definition
        .deadLetter(failure)
        .catch((cause: unknown) => log.error({ err: cause, ...payload }, 'job.dead_letter_not_stored'))
    },
  })
}

function parseInboundJob(data: unknown): InboundJob | undefined {
  if (typeof data !== 'object' || data === null || !('webhookId' in data)) return undefined
  return typeof data.webhookId === 'string' ? { webhookId: data.webhookId } : undefined
}

async function deadLetterWebhook(
  deps: Pick<Deps, 'db' | 'metrics' | 'log'>,
  { job, payload, error, attempts }: FailedJob<InboundJob>,
): Promise<void> {
  const { db, metrics } = deps
  const webhook = await findWebhook(db, payload.webhookId)
  const seconds = await db.transaction().execute(async (trx) => {
    const ended = await finishWebhook(trx, payload.webhookId, { status: 'failed', outcome: error.kind })
    // Another run of the same job, thought dead, has brought it to its end.
    if (ended === undefined) return undefined
    await openDeadLetter(trx, deps, {
      tenantId: webhook?.tenant_id ?? null,
      connectionId: webhook?.connection_id ?? null,
      queue: inboundQueue,
      job,
      subject: payload.webhookId,
      payload,
      error,
      attempts,
    })
    return ended
  })
  if (seconds !== undefined && webhook !== undefined) countProcessed(metrics, webhook, seconds, 'failure')
}
