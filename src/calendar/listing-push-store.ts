import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { ListingPushRow } from '../platform/db/outbound-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import { type Lease, leasesOn } from '../platform/work/leases.ts'
import type { ListingDetails } from './listing-changes.ts'

export type ListingKey = { connectionId: string; listingId: string }

/** The right to push one listing. */
export type ListingLease = Lease & ListingKey

/** The leases of listings. What a connection was deferred for holds up what is not more urgent than its deferral. */
export const listingLeases = leasesOn<ListingPushRow>({
  name: 'listing_pushes',
  key: ['connection_id', 'listing_id'],
  order: sql`urgency, waiting_since`,
  heldUp: {
    join: sql`left join connection_pushes deferral on deferral.connection_id = w.connection_id`,
    until: sql`case when w.urgency >= deferral.wake_urgency then deferral.wake_at end`,
  },
})

/** How urgent the least urgent work is: availability comes first, then prices and restrictions, details, a look at drift. */
export const lowestUrgency = 3

/** The lease that a claimed row stands for. */
export function listingLease({ connection_id, listing_id, fence }: ListingPushRow): ListingLease {
  return { connectionId: connection_id, listingId: listing_id, key: [connection_id, listing_id], fence }
}

/**
 * Claims the most urgent due listing of a connection, of equally urgent ones the one that waits longest; only among
 * those that are more urgent than `above`. Undefined where there is none.
 */
export async function claimListing(
  db: Kysely<Database>,
  connectionId: string,
  { leaseMs, above = lowestUrgency + 1 }: { leaseMs: number; above?: number },
): Promise<ListingPushRow | undefined> {
  const where = sql`w.connection_id = ${connectionId} and w.urgency < ${above}`
  return listingLeases.claim(db, { leaseMs, where })
}

/**
 * Locks the rows of listings, and makes those that are missing, until the transaction ends. Everything that writes
 * nights of a listing locks its row first, and several listings in this order.
 */
export async function lockListings(
  trx: Transaction<Database>,
  listings: Array<ListingKey & { tenantId: string }>,
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

/** What a call is about to change: nights, or the details of the listing. */
export type Sending = { from: string; to: string } | 'details'

/** Notes a call before it is made; it may take effect for `lastsMs`. Throws LeaseLost. */
export async function beginSending(
  db: Kysely<Database>,
  lease: ListingLease,
  sending: Sending,
  lastsMs: number,
): Promise<void> {
  const nights = sending === 'details' ? { from: null, to: null } : sending
  const what = sql`sending_from = ${nights.from}::date, sending_to = ${nights.to}::date,
    details_sending = ${sending === 'details'}`
  await listingLeases.beginCall(db, lease, { lastsMs, what })
}

const nothingIsSent = sql`sending_from = null, sending_to = null, details_sending = false`

/** Notes that the call had no effect, or that its effect is known; `isPushed` where it took effect. Throws LeaseLost. */
export async function endSending(
  db: Kysely<Database>,
  lease: ListingLease,
  { isPushed = false }: { isPushed?: boolean } = {},
): Promise<void> {
  const pushedAt = isPushed ? sql`, last_pushed_at = clock_timestamp()` : sql``
  await listingLeases.endCall(db, lease, sql`${nothingIsSent} ${pushedAt}`)
}

/** Notes that the nights of an earlier call were read back; a call about details stays noted. Throws LeaseLost. */
export async function endNightSending(db: Kysely<Database>, lease: ListingLease): Promise<void> {
  await listingLeases.endCall(db, lease, sql`sending_from = null, sending_to = null`)
}

/** The details that are desired otherwise than they were pushed; none where nothing is, or where they have failed. */
export async function listDetailsToPush(
  db: Kysely<Database>,
  { connectionId, listingId }: ListingKey,
): Promise<ListingDetails> {
  const { rows } = await sql<{ name: string; value: string | number }>`
    select desired.key as name, desired.value as value
    from listing_pushes p cross join lateral jsonb_each(p.desired_details) as desired
    where p.connection_id = ${connectionId} and p.listing_id = ${listingId} and p.details_failed_kind is null
      and p.pushed_details -> desired.key is distinct from desired.value
  `.execute(db)
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

/** Notes which details the channel holds, and that the call has ended. Throws LeaseLost. */
export async function markDetailsPushed(
  db: Kysely<Database>,
  lease: ListingLease,
  held: ListingDetails,
): Promise<void> {
  const pushed = sql`pushed_details = pushed_details || ${JSON.stringify(held)}::jsonb`
  await listingLeases.endCall(
    db,
    lease,
    sql`${pushed}, details_sending = false, last_pushed_at = clock_timestamp()`,
  )
}

/**
 * Marks the details as failed, if any are due, until their desired values change or the dead letter is replayed; of
 * `refused` ones only while they are still desired, as other values were not refused. False where nothing was marked.
 */
export async function markDetailsFailed(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
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

/**
 * Releases a listing after its work was done; the caller holds its lock. Whatever is due by now, because it changed
 * meanwhile, waits again, at the earliest after `restMs`.
 */
export async function finishListing(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
  {
    due,
    restMs,
    checked,
  }: { due: { availability: boolean; price: boolean }; restMs: number; checked: boolean },
): Promise<void> {
  const sinceNow = (column: string, isDue: RawBuilder<unknown>) =>
    sql`${sql.ref(column)} = case when ${isDue} then coalesce(${sql.ref(column)}, clock_timestamp()) end`
  const detailsDiffer = sql`details_failed_kind is null and not pushed_details @> desired_details`
  await sql`
    update listing_pushes set
      ${sinceNow('availability_due_at', sql`${due.availability}`)},
      ${sinceNow('price_due_at', sql`${due.price}`)},
      ${sinceNow('details_due_at', detailsDiffer)},
      check_due_at = case when ${checked} then null else check_due_at end,
      last_checked_at = case when ${checked} then clock_timestamp() else last_checked_at end,
      not_before = clock_timestamp() + ${restMs} * interval '1 millisecond',
      lease_until = null, attempts = 0, last_error = null
    where connection_id = ${connectionId} and listing_id = ${listingId}
  `.execute(trx)
}

/** Releases a listing whose waiting work all became dead letters. */
export async function releaseDeadLettered(
  db: Kysely<Database>,
  { connectionId, listingId, fence }: ListingLease,
  message: string,
): Promise<void> {
  await sql`
    update listing_pushes set availability_due_at = null, price_due_at = null, details_due_at = null,
      check_due_at = null, last_checked_at = clock_timestamp(), lease_until = null,
      attempts = attempts + 1, last_error = ${message}
    where connection_id = ${connectionId} and listing_id = ${listingId} and fence = ${fence}
  `.execute(db)
}

/** What a connection may work on now: only what is more urgent than the result; undefined where it may do everything. */
export async function readDeferral(db: Kysely<Database>, connectionId: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('connection_pushes')
    .select('wake_urgency')
    .where('connection_id', '=', connectionId)
    .where('wake_at', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirst()
  return row?.wake_urgency
}

/** Notes that for `inMs` only work more urgent than `urgency` may run. */
export async function noteDeferral(
  db: Kysely<Database>,
  connectionId: string,
  { inMs, urgency }: { inMs: number; urgency: number },
): Promise<void> {
  await sql`
    insert into connection_pushes (connection_id, wake_at, wake_urgency)
    values (${connectionId}, clock_timestamp() + ${inMs} * interval '1 millisecond', ${urgency})
    on conflict (connection_id) do update
      set wake_at = excluded.wake_at, wake_urgency = excluded.wake_urgency
  `.execute(db)
}

/** Forgets what a connection was deferred for: it is over. Safe to repeat. */
export async function clearDeferral(db: Kysely<Database>, connectionId: string): Promise<void> {
  await db
    .updateTable('connection_pushes')
    .set({ wake_at: null })
    .where('connection_id', '=', connectionId)
    .execute()
}

/** Whether another connection has a listing that is due. */
export async function othersAreDue(db: Kysely<Database>, connectionId: string): Promise<boolean> {
  const { rows } = await sql<{ waiting: boolean }>`
    select exists (
      select 1 from listing_pushes p
      join hostaway_connections c on c.id = p.connection_id and c.status = 'active'
      where p.due_at <= clock_timestamp() and p.connection_id <> ${connectionId}
        and (p.lease_until is null or p.lease_until <= clock_timestamp())) as waiting
  `.execute(db)
  return rows[0]?.waiting ?? false
}
