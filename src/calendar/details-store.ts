import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { type Claim, lockClaim } from './lease-store.ts'
import type { ListingDetails } from './listing-changes.ts'

/** The details that are desired otherwise than Hostaway was told; none where nothing is, or where they are set aside. */
export async function listDetailsToPush(
  db: Kysely<Database>,
  { connectionId, listingId }: Pick<Claim, 'connectionId' | 'listingId'>,
): Promise<ListingDetails> {
  const { rows } = await sql<{ name: string; value: string | number }>`
    select desired.key as name, desired.value as value
    from listing_pushes p cross join lateral jsonb_each(p.desired_details) as desired
    where p.connection_id = ${connectionId} and p.listing_id = ${listingId} and p.details_failed_kind is null
      and p.pushed_details -> desired.key is distinct from desired.value
  `.execute(db)
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

/** Writes down which details Hostaway holds, and that the call has ended. Throws LeaseLost. */
export async function markDetailsPushed(
  db: Kysely<Database>,
  claim: Claim,
  held: ListingDetails,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockClaim(trx, claim)
    await sql`
      update listing_pushes set
        pushed_details = pushed_details || ${JSON.stringify(held)}::jsonb,
        details_sending = false, sending_until = null, last_pushed_at = clock_timestamp()
      where connection_id = ${claim.connectionId} and listing_id = ${claim.listingId}
    `.execute(trx)
  })
}

/**
 * Sets the details aside, if any are due, until the desired value changes or somebody replays them; of `refused` ones only while
 * they are still desired, as nobody has refused another desired value. False where nothing was set aside.
 */
export async function deadLetterDetails(
  trx: Transaction<Database>,
  { connectionId, listingId }: Pick<Claim, 'connectionId' | 'listingId'>,
  kind: string,
  refused: ListingDetails = {},
): Promise<boolean> {
  const { rows } = await sql`
    update listing_pushes set details_failed_kind = ${kind}
    where connection_id = ${connectionId} and listing_id = ${listingId}
      and not pushed_details @> desired_details and desired_details @> ${JSON.stringify(refused)}::jsonb
    returning 1
  `.execute(trx)
  return rows.length > 0
}
