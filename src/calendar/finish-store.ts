import { type Kysely, sql } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { isDue } from './calendar-store.ts'
import { type Claim, lockClaim } from './lease-store.ts'

/**
 * Gives a listing back after its work was done. Whatever is due by now, because it changed meanwhile, makes it wait
 * again, at the earliest after `restMs`. Throws LeaseLost.
 */
export async function finishListing(
  db: Kysely<Database>,
  claim: Claim,
  { today, restMs, checked }: { today: string; restMs: number; checked: boolean },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockClaim(trx, claim)
    await sql`
      with night as (
        select coalesce(bool_or((d.unverified_since is not null and d.failed_kind is null)
            or (d.units_differ and ${isDue})), false) as availability,
          coalesce(bool_or(d.rest_differs and ${isDue}), false) as price
        from calendar_days d
        where d.connection_id = ${claim.connectionId} and d.listing_id = ${claim.listingId}
          and d.day >= ${today}::date
          and (d.units_differ or d.rest_differs or d.unverified_since is not null)
      )
      update listing_pushes p set
        availability_due_at = case when night.availability then coalesce(p.availability_due_at, clock_timestamp()) end,
        price_due_at = case when night.price then coalesce(p.price_due_at, clock_timestamp()) end,
        details_due_at = case when p.details_failed_kind is null and not p.pushed_details @> p.desired_details
          then coalesce(p.details_due_at, clock_timestamp()) end,
        check_due_at = case when ${checked} then null else p.check_due_at end,
        last_checked_at = case when ${checked} then clock_timestamp() else p.last_checked_at end,
        not_before = clock_timestamp() + ${restMs} * interval '1 millisecond',
        lease_until = null, attempts = 0, last_error = null
      from night
      where p.connection_id = ${claim.connectionId} and p.listing_id = ${claim.listingId}
    `.execute(trx)
  })
}
