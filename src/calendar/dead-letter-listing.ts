import type { Transaction } from 'kysely'
import { openDeadLetter } from '../dead-letters/dead-letter-store.ts'
import type { Database } from '../platform/db/tables.ts'
import type { AppError } from '../platform/errors.ts'
import { outboundQueue } from '../platform/queue/queues.ts'
import type { CalendarValues } from './calendar-fields.ts'
import { deadLetterNights, deadLetterRefusedNights } from './calendar-store.ts'
import { deadLetterDetails } from './details-store.ts'
import { lockClaim } from './lease-store.ts'
import type { ListingDetails } from './listing-changes.ts'
import type { Push } from './push-context.ts'

const lastDay = '9999-12-31'

/**
 * Sets one night aside, of which Hostaway has refused these values, with its dead letter; the rest of the listing goes
 * on. Nothing happens where something else is desired of the night by now: that is pushed next.
 */
export async function deadLetterNight(
  push: Push,
  day: string,
  refused: CalendarValues,
  error: AppError,
): Promise<void> {
  await deadLetter(push, error, day, async (trx) => {
    const nights = { from: day, to: day, values: refused }
    return (await deadLetterRefusedNights(trx, push.claim, nights, error.kind)).length > 0
  })
}

/** Sets aside everything that waits for a listing, with one dead letter. */
export async function deadLetterListing(push: Push, error: AppError): Promise<void> {
  await deadLetter(push, error, undefined, async (trx) => {
    await deadLetterNights(trx, push.claim, { from: push.today, to: lastDay }, error.kind)
    await deadLetterDetails(trx, push.claim, error.kind)
    return true
  })
}

/**
 * Sets aside the details of a listing that Hostaway has refused, with a dead letter; its calendar goes on. False where
 * they are desired otherwise by now: that is pushed next.
 */
export async function deadLetterOnlyDetails(
  push: Push,
  refused: ListingDetails,
  error: AppError,
): Promise<boolean> {
  return deadLetter(push, error, undefined, (trx) => deadLetterDetails(trx, push.claim, error.kind, refused))
}

async function deadLetter(
  { deps, connection, claim, attempts }: Push,
  error: AppError,
  day: string | undefined,
  markFailed: (trx: Transaction<Database>) => Promise<boolean>,
): Promise<boolean> {
  const { connectionId, listingId } = claim
  const ofDay = day === undefined ? {} : { day }
  return deps.db.transaction().execute(async (trx) => {
    await lockClaim(trx, claim)
    if (!(await markFailed(trx))) return false
    await openDeadLetter(trx, deps, {
      tenantId: connection.tenantId,
      connectionId,
      queue: outboundQueue,
      job: day === undefined ? 'push-listing' : 'push-night',
      subject: [connectionId, listingId, ...Object.values(ofDay)].join(':'),
      payload: { connectionId, listingId, ...ofDay },
      error,
      attempts: attempts + 1,
    })
    return true
  })
}
