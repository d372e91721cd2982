import type { AppError } from '../errors.ts'
import { setNightsAside } from './calendar-store.ts'
import { setDetailsAside } from './details-store.ts'
import { lockClaim } from './lease-store.ts'
import type { Push } from './push-context.ts'

const lastDay = '9999-12-31'

/** Sets one night aside with its dead letter; the rest of the listing goes on. */
export async function setNightAside(push: Push, day: string, error: AppError): Promise<void> {
  await bury(push, error, { from: day, to: day }, day)
}

/** Sets aside everything that waits for a listing, with one dead letter. */
export async function setListingAside(push: Push, error: AppError): Promise<void> {
  await bury(push, error, { from: push.today, to: lastDay }, undefined)
}

/** Sets aside the details of a listing with a dead letter; its calendar goes on. */
export async function setOnlyDetailsAside(push: Push, error: AppError): Promise<void> {
  await bury(push, error, undefined, undefined)
}

async function bury(
  { deps, connection, claim, attempts }: Push,
  error: AppError,
  nights: { from: string; to: string } | undefined,
  day: string | undefined,
): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    await lockClaim(trx, claim)
    if (nights !== undefined) await setNightsAside(trx, claim, nights, error.kind)
    if (day === undefined) await setDetailsAside(trx, claim, error.kind)
    await deps.bury(trx, {
      tenantId: connection.tenantId,
      connectionId: claim.connectionId,
      listingId: claim.listingId,
      ...(day === undefined ? {} : { day }),
      error,
      attempts: attempts + 1,
    })
  })
}
