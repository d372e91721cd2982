import { capabilityOf } from '../channels/contract/channel.ts'
import { type ChannelDeps, callChannel } from '../connections/call-channel.ts'
import { findConnection } from '../connections/connection-store.ts'
import { findNeighbour } from '../listings/listing-store.ts'
import { type AppError, factsOf, toAppError } from '../platform/errors.ts'
import { type Decision, decide } from '../platform/work/decide.ts'
import type { Push, PushDeps } from './push-context.ts'

/** What is being pushed to the channel, and for which listing. */
export type PushTarget = {
  deps: ChannelDeps & Pick<PushDeps, 'maxAttempts' | 'retryDelayMs'>
  connection: Pick<Push['connection'], 'id' | 'accountId' | 'channel'>
  listing: Pick<Push['listing'], 'listing_id'>
}

const probe = { urgency: 'urgent', maxWaitMs: 5_000 } as const
const maxDelayMs = 32_000
const jitterMs = 100

/**
 * Decides about a push that failed: while its connection is not active it is deferred, and while the channel is away its
 * failure uses up no attempt.
 */
export async function decidePush(target: PushTarget, failure: AppError, attempts: number): Promise<Decision> {
  const { maxAttempts, retryDelayMs } = target.deps
  const connection = await findConnection(target.deps.db, target.connection.id)
  const isHeldUp = connection?.status !== 'active'
  const isOutage = !isHeldUp && factsOf(failure).remote === 'down' && !(await isRemoteUp(target))
  // The rate limit has a moment of its own for each connection; anything else holds up all of them alike.
  const deferJitterMs = failure.kind === 'rate_limited' ? 0 : jitterMs
  const policy = { maxAttempts, baseMs: retryDelayMs, maxDelayMs, deferJitterMs }
  return decide(failure, { attempts, isHeldUp, isOutage }, policy)
}

// Asks something that has nothing to do with the listing: another one, or at least the list. A push that fails while
// that is answered is the listing's own failure.
async function isRemoteUp(push: PushTarget): Promise<boolean> {
  const failure = await failureOf(askForNeighbour(push))
  if (failure === undefined || isAnswer(failure)) return true
  // What gave no answer at all gives none to another question either.
  if (failure.status === undefined) return false
  const again = await failureOf(askForList(push))
  return again === undefined || isAnswer(again)
}

/**
 * Lets the breaker, where it tries whether the channel is back, find that out by reading. By the push itself it would
 * learn about the listing only: one that always fails would keep it open for all of them. Throws what stands in the way.
 */
export async function probeWhileBreakerOpen(push: PushTarget): Promise<void> {
  while (push.deps.channels.of(push.connection.channel).health.breakerState() !== 'closed') {
    const failure = await failureOf(askForNeighbour(push))
    if (failure !== undefined && !isAnswer(failure)) throw failure
  }
}

async function failureOf(asking: Promise<void>): Promise<AppError | undefined> {
  try {
    await asking
    return undefined
  } catch (caught) {
    return toAppError(caught)
  }
}

// Any answer counts, whatever its content.
function isAnswer(failure: AppError): boolean {
  const { remote, outcome } = factsOf(failure)
  return failure.status !== undefined && remote === 'up' && outcome !== 'defer'
}

async function askForNeighbour(push: PushTarget): Promise<void> {
  const { deps, connection, listing } = push
  const key = { connectionId: connection.id, listingId: listing.listing_id }
  const neighbour = await findNeighbour(deps.db, key)
  if (neighbour === undefined) return askForList(push)
  await callChannel(deps, connection, probe, async (channel, call) => {
    await capabilityOf(channel, 'listings').read(call, neighbour)
  })
}

async function askForList(push: PushTarget): Promise<void> {
  await callChannel(push.deps, push.connection, probe, (channel, call) => channel.access.check(call))
}
