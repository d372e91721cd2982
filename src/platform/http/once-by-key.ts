import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Kysely, Transaction } from 'kysely'
import { Type } from 'typebox'
import { claimIdempotencyKey, keepAnswer } from '../db/idempotency-keys.ts'
import type { Database } from '../db/tables.ts'
import { Problem } from './problems.ts'

const maxKey = 200

/** The header of a route whose requests may be repeated by key. */
export const keyHeader = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: maxKey,
      description: 'A request that repeats it within 24 hours is answered as the first one was.',
    }),
  ),
})

/**
 * Does the work of a request in one transaction, once for its `Idempotency-Key`: a repetition gets the answer
 * again, marked `Idempotency-Replayed`. Work that throws leaves the key unused. Throws a Problem where the key came with another body, or is too long.
 */
export async function onceByKey<Answer>(
  db: Kysely<Database>,
  request: Pick<FastifyRequest, 'headers' | 'body'>,
  reply: Pick<FastifyReply, 'header'>,
  { tenantId, scope }: { tenantId: string; scope: string },
  work: (trx: Transaction<Database>) => Promise<Answer>,
): Promise<Answer> {
  const key = readKey(request.headers['idempotency-key'])
  return db.transaction().execute(async (trx) => {
    if (key === undefined) return work(trx)
    const keyed = { tenantId, scope, key }
    const claim = await claimIdempotencyKey(trx, { ...keyed, body: request.body })
    if (claim.state === 'done') {
      reply.header('idempotency-replayed', 'true')
      return claim.answer as Answer
    }
    if (claim.state === 'other') {
      throw new Problem(422, 'IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key came with another body before')
    }
    const answer = await work(trx)
    await keepAnswer(trx, { ...keyed, answer })
    return answer
  })
}

// Where the body breaks its schema and the handler adds to its violations, no schema has checked the headers.
function readKey(header: string | string[] | undefined): string | undefined {
  const key = Array.isArray(header) ? header.join(', ') : header
  if (key === undefined || key.length <= maxKey) return key
  throw new Problem(422, 'VALIDATION_FAILED', 'The header is not valid', [
    { field: 'idempotency-key', message: `must have at most ${maxKey} characters` },
  ])
}
