import type { Transaction } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import type { AppError } from '../platform/errors.ts'
import type { CalendarValues } from './calendar-fields.ts'
import { setNightsAside, setRefusedNightsAside } from './calendar-store.ts'
import { setDetailsAside } from './details-store.ts'
import { lockClaim } from './lease-store.ts'
import type { ListingDetails } from './listing-changes.ts'
import type { Push } from './push-context.ts'

const lastDay = '9999-12-31'

/**
 * Sets one night aside, of which Hostaway has refused these values, with its dead letter; the rest of the listing goes
 * on. Nothing happens where something else is wished of the night by now: that is pushed next.
 */
export async function setNightAside(
  push: Push,
  day: string,
  refused: CalendarValues,
  error: AppError,
): Promise<void> {
  await bury(push, error, day, async (trx) => {
    const nights = { from: day, to: day, values: refused }
    return (await setRefusedNightsAside(trx, push.claim, nights, error.kind)).length > 0
  })
}

/** Sets aside everything that waits for a listing, with one dead letter. */
export async function setListingAside(push: Push, error: AppError): Promise<void> {
  await bury(push, error, undefined, async (trx) => {
    await setNightsAside(trx, push.claim, { from: push.today, to: lastDay }, error.kind)
    await setDetailsAside(trx, push.claim, error.kind)
    return true
  })
}

/**
 * Sets aside the details of a listing that Hostaway has refused, with a dead letter; its calendar goes on. False where
 * they are wished otherwise by now: that is pushed next.
 */
export async function setOnlyDetailsAside(
  push: Push,
  refused: ListingDetails,
  error: AppError,
): Promise<boolean> {
  return bury(push, error, undefined, (trx) => setDetailsAside(trx, push.claim, error.kind, refused))
}

async function bury(
  { deps, connection, claim, attempts }: Push,
  error: AppError,
  day: string | undefined,
  setAside: (trx: Transaction<Database>) => Promise<boolean>,
): Promise<boolean> {
  return deps.db.transaction().execute(async (trx) => {
    await lockClaim(trx, claim)
    if (!(await setAside(trx))) return false
    await deps.bury(trx, {
      tenantId: connection.tenantId,
      connectionId: claim.connectionId,
      listingId: claim.listingId,
      ...(day === undefined ? {} : { day }),
      error,
      attempts: attempts + 1,
    })
    return true
  })
}
