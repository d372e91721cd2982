import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { DeadLetterRow } from '../platform/db/tables.ts'
import { type FailureKind, failureKinds } from '../platform/errors.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { idOf } from '../platform/http/fields.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import { workNames } from '../platform/telemetry/metrics.ts'
import { findDeadLetter, listDeadLetters, markDiscarded } from './dead-letter-store.ts'
import { type ReplayDeps, replayAll, replayDeadLetter } from './replay-dead-letter.ts'

const tags = ['When things fail']
const nullableText = Type.Union([Type.String(), Type.Null()])
const Status = Type.Enum(['open', 'replayed', 'discarded'])
const Kind = Type.Enum(Object.keys(failureKinds) as FailureKind[])
const Queue = Type.Enum([...workNames])

const DeadLetterView = Type.Object(
  {
    id: Type.String(),
    connectionId: nullableText,
    queue: Type.String(),
    job: Type.String(),
    subject: Type.String({ description: 'What the job is about, for webhooks their id.' }),
    payload: Type.Record(Type.String(), Type.String()),
    kind: Type.String(),
    message: Type.String(),
    attempts: Type.Integer(),
    status: Status,
    traceId: nullableText,
    firstFailedAt: Type.String(),
    lastFailedAt: Type.String(),
    replayedAt: nullableText,
    discardedAt: nullableText,
    discardReason: nullableText,
  },
  { title: 'DeadLetter' },
)

const Params = Type.Object({ id: idOf('dead letter') })
const Count = Type.Object({ count: Type.Integer({ description: 'How many are being replayed.' }) })

/** Jobs that failed for good. */
export const deadLetterRoutes: FastifyPluginAsyncTypebox<ReplayDeps> = async (app, deps) => {
  const { db } = deps
  app.get(
    '/dead-letters',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'listDeadLetters',
        summary: 'List dead letters, newest first',
        querystring: Type.Object({
          ...pageQuery,
          status: Type.Optional(Status),
          queue: Type.Optional(Queue),
          kind: Type.Optional(Kind),
          connection: Type.Optional(Type.String()),
        }),
        response: { 200: pageOf(DeadLetterView) },
      },
    },
    async (request) => {
      const { status, queue, kind, connection, limit, cursor } = request.query
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const rows = await listDeadLetters(db, {
        tenantId: tenantScope(request),
        status,
        queue,
        kind,
        connectionId: connection,
        before: cursorId(cursor),
        limit,
      })
      return toPage(rows, limit, ({ id }) => id, toDeadLetterView)
    },
  )

  app.get(
    '/dead-letters/:id',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'getDeadLetter',
        summary: 'Show a dead letter',
        params: Params,
        response: { 200: DeadLetterView },
      },
    },
    async (request) => toDeadLetterView(await requireDeadLetter(request.params.id, tenantScope(request))),
  )

  app.post(
    '/dead-letters/:id/replay',
    {
      config: { roles: ['manager'], refusals: { 409: ['DEAD_LETTER_NOT_OPEN', 'IMPORT_RUNNING'] } },
      schema: {
        tags,
        operationId: 'replayDeadLetter',
        summary: 'Run the job again',
        description:
          'An import goes on where it stopped; 409 `IMPORT_RUNNING` while another one of its connection runs, and the dead letter stays open.',
        params: Params,
        response: { 202: Count },
      },
    },
    async (request, reply) => {
      const letter = await requireDeadLetter(request.params.id, tenantScope(request))
      if (!(await replayDeadLetter(deps, letter))) throw notOpen(letter)
      return reply.code(202).send({ count: 1 })
    },
  )

  app.post(
    '/dead-letters/replay',
    {
      // No body means no restriction.
      config: { roles: ['manager'], bodyIsOptional: true },
      schema: {
        tags,
        operationId: 'replayDeadLetters',
        summary: 'Run the jobs of all open dead letters again that match',
        body: Type.Object(
          {
            queue: Type.Optional(Queue),
            kind: Type.Optional(Kind),
            connection: Type.Optional(Type.String()),
          },
          { additionalProperties: false },
        ),
        response: { 202: Count },
      },
    },
    async (request, reply) => {
      const { queue, kind, connection } = request.body
      if (connection !== undefined && !isUuid(connection)) return reply.code(202).send({ count: 0 })
      const count = await replayAll(deps, {
        tenantId: tenantScope(request),
        queue,
        kind,
        connectionId: connection,
      })
      return reply.code(202).send({ count })
    },
  )

  app.post(
    '/dead-letters/:id/discard',
    {
      config: { roles: ['manager'], refusals: { 409: ['DEAD_LETTER_NOT_OPEN'] } },
      schema: {
        tags,
        operationId: 'discardDeadLetter',
        summary: 'Close a dead letter without running it again',
        params: Params,
        body: Type.Object(
          { reason: Type.String({ minLength: 1, maxLength: 1_000 }) },
          { additionalProperties: false },
        ),
        response: { 200: DeadLetterView },
      },
    },
    async (request) => {
      const letter = await requireDeadLetter(request.params.id, tenantScope(request))
      if (!(await markDiscarded(db, letter.id, request.body.reason))) throw notOpen(letter)
      return toDeadLetterView(await requireDeadLetter(letter.id, tenantScope(request)))
    },
  )

  async function requireDeadLetter(id: string, tenantId: string | undefined): Promise<DeadLetterRow> {
    const letter = isUuid(id) ? await findDeadLetter(db, id, tenantId) : undefined
    if (letter === undefined) throw notFound('The dead letter')
    return letter
  }
}

function notOpen({ status }: DeadLetterRow): Problem {
  const state = status === 'open' ? 'not open any more' : `already ${status}`
  return new Problem(409, 'DEAD_LETTER_NOT_OPEN', `The dead letter is ${state}`)
}

function toDeadLetterView(row: DeadLetterRow) {
  return {
    id: row.id,
    connectionId: row.connection_id,
    queue: row.queue,
    job: row.job,
    subject: row.subject,
    payload: row.payload,
    kind: row.kind,
    message: row.message,
    attempts: row.attempts,
    status: row.status,
    traceId: row.trace_id,
    firstFailedAt: row.first_failed_at.toISOString(),
    lastFailedAt: row.last_failed_at.toISOString(),
    replayedAt: row.replayed_at?.toISOString() ?? null,
    discardedAt: row.discarded_at?.toISOString() ?? null,
    discardReason: row.discard_reason,
  }
}
