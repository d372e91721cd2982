import type { Transaction } from 'kysely'
import { openDeadLetter } from '../dead-letters/dead-letter-store.ts'
import type { Database } from '../platform/db/tables.ts'
import type { AppError } from '../platform/errors.ts'
import { outboundQueue } from '../platform/queue/queues.ts'
import type { CalendarValues } from './calendar-fields.ts'
import type { ListingDetails } from './listing-changes.ts'
import { listingLeases, markDetailsFailed } from './listing-push-store.ts'
import type { Push } from './push-context.ts'
import { markNightsFailed, markRefusedNightFailed } from './pushed-nights-store.ts'

/**
 * Opens the dead letter of one night whose values the channel has refused; the rest of the listing is pushed all the same. Nothing happens
 * where other values are desired by now: those are pushed next.
 */
export async function deadLetterNight(
  push: Push,
  day: string,
  refused: CalendarValues,
  error: AppError,
): Promise<void> {
  const nights = { from: day, to: day, values: refused }
  await deadLetter(push, error, day, (trx) => markRefusedNightFailed(trx, push.lease, nights, error.kind))
}

/** Opens one dead letter for everything that waits for a listing. */
export async function deadLetterListing(push: Push, error: AppError): Promise<void> {
  await deadLetter(push, error, undefined, async (trx) => {
    await markNightsFailed(trx, push.lease, push.today, error.kind)
    await markDetailsFailed(trx, push.lease, error.kind)
    return true
  })
}

/** Opens the dead letter of details that the channel has refused, unless others are desired by now; the calendar is pushed all the same. */
export async function deadLetterDetails(push: Push, refused: ListingDetails, error: AppError): Promise<void> {
  await deadLetter(push, error, undefined, (trx) => markDetailsFailed(trx, push.lease, error.kind, refused))
}

async function deadLetter(
  { deps, connection, lease, attempts }: Push,
  error: AppError,
  day: string | undefined,
  markFailed: (trx: Transaction<Database>) => Promise<boolean>,
): Promise<void> {
  const { connectionId, listingId } = lease
  const ofDay = day === undefined ? {} : { day }
  await deps.db.transaction().execute(async (trx) => {
    await listingLeases.lock(trx, lease)
    if (!(await markFailed(trx))) return
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
  })
}
