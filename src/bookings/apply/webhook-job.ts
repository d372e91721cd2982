import type { ChannelDeps } from '../../connections/call-channel.ts'
import { openDeadLetter } from '../../dead-letters/dead-letter-store.ts'
import type { FailedJob, Job } from '../../platform/module.ts'
import {
  type InboundBatchJob,
  type InboundJob,
  inboundQueue,
  type JobQueues,
  processWebhookJob,
  processWebhooksJob,
} from '../../platform/queue/queues.ts'
import type { Metrics } from '../../platform/telemetry/metrics.ts'
import { findWebhook, finishWebhook } from '../../webhooks/webhook-log.ts'
import { createReservationFetcher } from './fetch-reservation.ts'
import { countProcessed, processWebhook } from './process-webhook.ts'
import { createSharedStatements } from './shared-statements.ts'

export type WebhookJobDeps = ChannelDeps & { queues: JobQueues; metrics: Metrics }

/** The job that turns stored webhooks into bookings. Its jobs in one process share statements and fetches. */
export function webhookJob(deps: WebhookJobDeps): Job<InboundJob> {
  const processing = {
    ...deps,
    fetcher: createReservationFetcher(deps),
    shared: createSharedStatements(deps.db),
  }
  return {
    queue: inboundQueue,
    name: processWebhookJob,
    parse: readJob,
    run: ({ webhookId }) => processWebhook(processing, webhookId),
    deadLetter: (failure) => deadLetterWebhook(deps, failure),
    batch: {
      name: processWebhooksJob,
      parse: (data) => readBatch(data)?.webhookIds.map((webhookId) => ({ webhookId })),
      async requeue(data, left) {
        const connectionId = readBatch(data)?.connectionId ?? ''
        await deps.queues.enqueueWebhooksAgain(
          left.map(({ payload, ...again }) => ({ id: payload.webhookId, connectionId, ...again })),
        )
      },
    },
  }
}

function readJob(data: unknown): InboundJob | undefined {
  if (typeof data !== 'object' || data === null || !('webhookId' in data)) return undefined
  return typeof data.webhookId === 'string' ? { webhookId: data.webhookId } : undefined
}

function readBatch(data: unknown): InboundBatchJob | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  if (!('webhookIds' in data && 'connectionId' in data)) return undefined
  const { webhookIds, connectionId } = data
  if (!Array.isArray(webhookIds) || typeof connectionId !== 'string') return undefined
  return { webhookIds: webhookIds.filter((id) => typeof id === 'string'), connectionId }
}

async function deadLetterWebhook(
  deps: WebhookJobDeps,
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
