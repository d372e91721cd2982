import { type Kysely, sql, type Transaction } from 'kysely'
import { closeDeadLetterOf } from '../../dead-letters/dead-letter-store.ts'
import type { BookingPushAction, BookingPushRow, BookingPushStep } from '../../platform/db/outbound-tables.ts'
import type { Database } from '../../platform/db/tables.ts'
import { outboundQueue } from '../../platform/queue/queues.ts'
import { type Lease, leasesOn } from '../../platform/work/leases.ts'
import { writeDesiredBooking } from '../booking-store.ts'
import { type DesiredBooking, remainingDesired } from '../desired-booking.ts'

/** The right to push one booking. */
export type BookingLease = Lease & { bookingId: string }

/** The leases of bookings, the longest waiting first. */
export const bookingLeases = leasesOn<BookingPushRow>({
  name: 'booking_pushes',
  key: ['booking_id'],
  order: sql`waiting_since`,
})

/** The lease that a claimed row stands for. */
export function bookingLease({ booking_id, fence }: BookingPushRow): BookingLease {
  return { bookingId: booking_id, key: [booking_id], fence }
}

/** The subject of a booking's open dead letter. */
export function pushSubject(bookingId: string): string {
  return `booking:${bookingId}`
}

/**
 * Makes a booking due for its push, in the transaction that changes it, and closes the dead letter of an earlier change.
 * A call whose outcome is not known holds it up until the call can no longer land.
 */
export async function requestPush(
  trx: Transaction<Database>,
  booking: { bookingId: string; connectionId: string; tenantId: string },
  accepted: string,
): Promise<void> {
  await sql`
    insert into booking_pushes (booking_id, connection_id, tenant_id, waiting_since)
    values (${booking.bookingId}, ${booking.connectionId}, ${booking.tenantId}, clock_timestamp())
    on conflict (booking_id) do update set
      waiting_since = coalesce(booking_pushes.waiting_since, clock_timestamp()), not_before = null,
      revision = booking_pushes.revision + 1, attempts = 0, last_error = null, failed_kind = null
  `.execute(trx)
  await closeDeadLetterOf(trx, { queue: outboundQueue, subject: pushSubject(booking.bookingId) })
  await noteStep(trx, booking.bookingId, 'accepted', accepted)
}

/** Makes a failed booking due again, in the transaction that closes its dead letter. */
export async function reopenPush(trx: Transaction<Database>, bookingId: string): Promise<void> {
  await sql`
    update booking_pushes
    set waiting_since = clock_timestamp(), not_before = null, attempts = 0, failed_kind = null
    where booking_id = ${bookingId} and failed_kind is not null
  `.execute(trx)
}

/** Locks the push of a booking, so that no call is begun before the caller's transaction ends; undefined where there is none. */
export async function lockPush(
  trx: Transaction<Database>,
  bookingId: string,
): Promise<BookingPushRow | undefined> {
  return trx
    .selectFrom('booking_pushes')
    .selectAll()
    .where('booking_id', '=', bookingId)
    .forUpdate()
    .executeTakeFirst()
}

/** The pushes that there are of these bookings, in no order. */
export async function findPushes(db: Kysely<Database>, bookingIds: string[]): Promise<BookingPushRow[]> {
  if (bookingIds.length === 0) return []
  return db
    .selectFrom('booking_pushes')
    .selectAll()
    .where('booking_id', '=', sql<string>`any(${bookingIds}::uuid[])`)
    .execute()
}

/** Claims the booking of a connection that has waited longest; undefined where none is due. */
export async function claimBooking(
  db: Kysely<Database>,
  connectionId: string,
  leaseMs: number,
): Promise<BookingPushRow | undefined> {
  return bookingLeases.claim(db, { leaseMs, where: sql`w.connection_id = ${connectionId}` })
}

/** Notes a call before it is made; it may take effect for `lastsMs`. Throws LeaseLost. */
export async function beginCall(
  db: Kysely<Database>,
  lease: BookingLease,
  action: BookingPushAction,
  lastsMs: number,
): Promise<void> {
  await bookingLeases.beginCall(db, lease, { lastsMs, what: sql`sending = ${action}` })
}

/** Notes that the call had no effect, or that its effect is known. Throws LeaseLost. */
export async function endCall(db: Kysely<Database>, lease: BookingLease): Promise<void> {
  await bookingLeases.endCall(db, lease, sql`sending = null`)
}

/** Clears what was done of a desired value; the caller holds the lock of the reservation. */
export async function clearPending(
  trx: Transaction<Database>,
  booking: { id: string; desired: DesiredBooking },
  done: DesiredBooking,
): Promise<void> {
  await writeDesiredBooking(trx, booking.id, remainingDesired(booking.desired, done))
}

/**
 * Releases the booking after its work was done. Where something is desired by now it waits on. Returns whether nothing
 * is left. Throws LeaseLost.
 */
export async function finishPush(db: Kysely<Database>, lease: BookingLease): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    await bookingLeases.lock(trx, lease)
    // A statement of its own: a desired value that was committed while this waited for the lock is seen.
    const { rows } = await sql<{ done: boolean }>`
      update booking_pushes p set
        waiting_since = case when b.desired = '{}' then null else p.waiting_since end,
        not_before = null, lease_until = null, attempts = 0, last_error = null
      from bookings b where b.id = p.booking_id and p.booking_id = ${lease.bookingId}
      returning p.waiting_since is null as done
    `.execute(trx)
    const done = rows[0]?.done === true
    if (done) await closeDeadLetterOf(trx, { queue: outboundQueue, subject: pushSubject(lease.bookingId) })
    return done
  })
}

/**
 * Marks the booking as failed until it is changed or replayed; the caller opens the dead letter. Where it was changed
 * since it had the given revision, it waits on instead, and false is returned. Throws LeaseLost.
 */
export async function markPushFailed(
  trx: Transaction<Database>,
  lease: BookingLease,
  { revision, kind, message }: { revision: string; kind: string; message: string },
): Promise<boolean> {
  const row = await bookingLeases.lock(trx, lease)
  const isOvertaken = row.revision !== revision
  await sql`
    update booking_pushes set
      failed_kind = ${isOvertaken ? null : kind}, last_error = ${message}, lease_until = null, not_before = null,
      attempts = attempts + ${isOvertaken ? 0 : 1}
    where booking_id = ${lease.bookingId}
  `.execute(trx)
  if (isOvertaken) return false
  await noteStep(trx, lease.bookingId, 'failed', message)
  return true
}

/** Adds a line to the story of a booking. */
export async function noteStep(
  db: Kysely<Database>,
  bookingId: string,
  step: BookingPushStep,
  detail: string,
): Promise<void> {
  await db.insertInto('booking_push_steps').values({ booking_id: bookingId, step, detail }).execute()
}

/** How many bookings wait to be pushed; all tenants, for the gauges. Those of disconnected connections do not count. */
export async function countWaitingPushes(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::integer as count
    from booking_pushes p
    join hostaway_connections c on c.id = p.connection_id and c.status <> 'disconnected'
    where p.waiting_since is not null and p.failed_kind is null
  `.execute(db)
  return rows[0]?.count ?? 0
}

/** The latest steps of a booking's pushes, oldest first, for its timeline. */
export async function listPushSteps(
  db: Kysely<Database>,
  { bookingId, limit }: { bookingId: string; limit: number },
): Promise<Array<{ id: string; step: BookingPushStep; detail: string; at: Date }>> {
  const newestFirst = await db
    .selectFrom('booking_push_steps')
    .select(['id', 'step', 'detail', 'at'])
    .where('booking_id', '=', bookingId)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return newestFirst.reverse()
}
