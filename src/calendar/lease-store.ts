import { type Kysely, sql, type Transaction } from 'kysely'
import type { ListingPushRow } from '../platform/db/outbound-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import type { OutboundTimes } from './outbound-times.ts'

/**
 * The right to push one listing. `fence` grows with every lease: what is written under an older one is refused, so
 * that a worker that was frozen cannot undo what its successor did.
 */
export type Claim = { connectionId: string; listingId: string; fence: string }

/** Somebody else works on the listing by now; whoever gets this stops and touches nothing. */
export class LeaseLost extends Error {
  constructor() {
    super('Another worker has taken over the listing')
    this.name = 'LeaseLost'
  }
}

/**
 * Locks the rows of listings, and makes those that are missing, until the transaction ends. Everything that writes
 * nights of a listing locks its row first, and several listings in this order.
 */
export async function lockListings(
  trx: Transaction<Database>,
  listings: Array<{ connectionId: string; listingId: string; tenantId: string }>,
): Promise<void> {
  const rows = JSON.stringify(
    listings.map(({ connectionId, listingId, tenantId }) => ({
      connection_id: connectionId,
      listing_id: listingId,
      tenant_id: tenantId,
    })),
  )
  await sql`
    insert into listing_pushes (connection_id, listing_id, tenant_id)
    select connection_id, listing_id, tenant_id
    from jsonb_to_recordset(${rows}::jsonb) as listed (connection_id uuid, listing_id text, tenant_id uuid)
    on conflict do nothing
  `.execute(trx)
  await sql`
    select 1 from listing_pushes p
    join jsonb_to_recordset(${rows}::jsonb) as listed (connection_id uuid, listing_id text)
      on listed.connection_id = p.connection_id and listed.listing_id = p.listing_id
    order by p.connection_id, p.listing_id
    for update of p
  `.execute(trx)
}

/** How urgent what waits for a listing is: availability, prices and restrictions, details, a look at drift. */
export const lowestUrgency = 3

/**
 * Takes the most urgent listing of a connection that is due and that nobody works on, then the one that waits longest;
 * only among those that are more urgent than `above`. Undefined where there is none.
 */
export async function claimListing(
  db: Kysely<Database>,
  connectionId: string,
  { leaseMs, above = lowestUrgency + 1 }: { leaseMs: number; above?: number },
): Promise<ListingPushRow | undefined> {
  const { rows } = await sql<ListingPushRow>`
    with next as (
      select connection_id, listing_id from listing_pushes
      where connection_id = ${connectionId} and due_at is not null and due_at <= clock_timestamp()
        and (lease_until is null or lease_until <= clock_timestamp()) and urgency < ${above}
      order by urgency, waiting_since
      limit 1
      for update skip locked
    )
    update listing_pushes p
    set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond', fence = p.fence + 1
    from next where p.connection_id = next.connection_id and p.listing_id = next.listing_id
    returning p.*
  `.execute(db)
  return rows[0]
}

/** Locks the listing's row for a write under the lease; throws LeaseLost. */
export async function lockClaim(trx: Transaction<Database>, claim: Claim): Promise<ListingPushRow> {
  const row = await trx
    .selectFrom('listing_pushes')
    .selectAll()
    .where('connection_id', '=', claim.connectionId)
    .where('listing_id', '=', claim.listingId)
    .where('fence', '=', claim.fence)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw new LeaseLost()
  return row
}

/** What a call is about to change: nights, or the details of the listing. */
export type Sending = { from: string; to: string } | 'details'

/**
 * Notes a call before it is made. Until its outcome is written down, the next one to hold the listing must assume that
 * it happened, and that it may still happen until `sending_until`. Throws LeaseLost.
 */
export async function beginSending(
  db: Kysely<Database>,
  claim: Claim,
  sending: Sending,
  { startMs, landingMs, timeoutMs }: Pick<OutboundTimes, 'startMs' | 'landingMs'> & { timeoutMs: number },
): Promise<void> {
  const lastsMs = startMs + timeoutMs + landingMs
  const nights = sending === 'details' ? { from: null, to: null } : sending
  const { rows } = await sql`
    update listing_pushes set
      sending_from = ${nights.from}::date, sending_to = ${nights.to}::date,
      details_sending = ${sending === 'details'},
      sending_until = clock_timestamp() + ${lastsMs} * interval '1 millisecond',
      lease_until = greatest(lease_until, clock_timestamp() + ${lastsMs + 1_000} * interval '1 millisecond')
    where connection_id = ${claim.connectionId} and listing_id = ${claim.listingId} and fence = ${claim.fence}
      and lease_until > clock_timestamp()
    returning 1
  `.execute(db)
  if (rows.length === 0) throw new LeaseLost()
}

/** Notes that the call had no effect, or that what it did has been read back. */
export async function endSending(db: Kysely<Database>, claim: Claim): Promise<void> {
  await db
    .updateTable('listing_pushes')
    .set({ sending_from: null, sending_to: null, sending_until: null, details_sending: false })
    .where('connection_id', '=', claim.connectionId)
    .where('listing_id', '=', claim.listingId)
    .where('fence', '=', claim.fence)
    .execute()
}

/** Gives the listing back as it is: nothing was tried, so no attempt is used up. */
export async function releaseListing(db: Kysely<Database>, claim: Claim): Promise<void> {
  await db
    .updateTable('listing_pushes')
    .set({ lease_until: null })
    .where('connection_id', '=', claim.connectionId)
    .where('listing_id', '=', claim.listingId)
    .where('fence', '=', claim.fence)
    .execute()
}

/** Gives the listing back after everything that waited for it was set aside: nothing waits any more. */
export async function releaseDeadLettered(
  db: Kysely<Database>,
  claim: Claim,
  message: string,
): Promise<void> {
  await db
    .updateTable('listing_pushes')
    .set({
      availability_due_at: null,
      price_due_at: null,
      details_due_at: null,
      check_due_at: null,
      last_checked_at: sql<Date>`clock_timestamp()`,
      lease_until: null,
      attempts: sql`attempts + 1`,
      last_error: message,
    })
    .where('connection_id', '=', claim.connectionId)
    .where('listing_id', '=', claim.listingId)
    .where('fence', '=', claim.fence)
    .execute()
}

/**
 * Gives the listing back after a failure. A call that may still take effect (`mayLand`) holds everything up until it
 * cannot any more.
 */
export async function releaseAfterFailure(
  db: Kysely<Database>,
  claim: Claim,
  failure: { usesAttempt: boolean; delayMs: number; mayLand: boolean; message: string },
): Promise<void> {
  await sql`
    update listing_pushes set
      attempts = attempts + ${failure.usesAttempt ? 1 : 0},
      last_error = ${failure.message},
      not_before = greatest(clock_timestamp() + ${failure.delayMs} * interval '1 millisecond',
        case when ${failure.mayLand} then sending_until end),
      lease_until = null
    where connection_id = ${claim.connectionId} and listing_id = ${claim.listingId} and fence = ${claim.fence}
  `.execute(db)
}
