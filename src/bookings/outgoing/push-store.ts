import { type Kysely, sql, type Transaction } from 'kysely'
import { closeDeadLetterOf } from '../../dead-letters/dead-letter-store.ts'
import type { BookingPushAction, BookingPushRow, BookingPushStep } from '../../platform/db/outbound-tables.ts'
import type { Database } from '../../platform/db/tables.ts'
import { outboundQueue } from '../../platform/queue/queues.ts'
import { type DesiredBooking, remainingDesired } from '../desired-booking.ts'

/** The right to tell Hostaway of one booking; `fence` grows with every lease, and an older one writes nothing. */
export type PushClaim = { bookingId: string; fence: string }

/** Somebody else works on the booking by now; whoever gets this stops and touches nothing. */
export class PushLost extends Error {
  constructor() {
    super('Another worker has taken over the booking')
    this.name = 'PushLost'
  }
}

/** What the open dead letter of a booking is about. */
export function pushSubject(bookingId: string): string {
  return `booking:${bookingId}`
}

/**
 * Makes a booking wait to be told to Hostaway, in the transaction that changes it, and closes the dead letter of an
 * earlier change. A call whose outcome is not known holds it up until the call cannot land any more.
 */
export async function requestPush(
  trx: Transaction<Database>,
  booking: { bookingId: string; connectionId: string; tenantId: string },
  accepted: string,
): Promise<void> {
  await sql`
    insert into booking_pushes (booking_id, connection_id, tenant_id, due_at)
    values (${booking.bookingId}, ${booking.connectionId}, ${booking.tenantId}, clock_timestamp())
    on conflict (booking_id) do update set
      due_at = coalesce(booking_pushes.due_at, clock_timestamp()), not_before = booking_pushes.sending_until,
      revision = booking_pushes.revision + 1, attempts = 0, last_error = null, failed_kind = null
  `.execute(trx)
  await closeDeadLetterOf(trx, { queue: outboundQueue, subject: pushSubject(booking.bookingId) })
  await noteStep(trx, booking.bookingId, 'accepted', accepted)
}

/** Lets a booking that was set aside be tried again, in the transaction that closes its dead letter. */
export async function reopenPush(trx: Transaction<Database>, bookingId: string): Promise<void> {
  await sql`
    update booking_pushes
    set due_at = clock_timestamp(), not_before = sending_until, attempts = 0, failed_kind = null
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

/** Takes the booking of a connection that has waited longest and that nobody works on; undefined where none is due. */
export async function claimBooking(
  db: Kysely<Database>,
  connectionId: string,
  leaseMs: number,
): Promise<BookingPushRow | undefined> {
  const { rows } = await sql<BookingPushRow>`
    with next as (
      select booking_id from booking_pushes
      where connection_id = ${connectionId} and due_at is not null and failed_kind is null
        and (not_before is null or not_before <= clock_timestamp())
        and (lease_until is null or lease_until <= clock_timestamp())
      order by due_at
      limit 1
      for update skip locked
    )
    update booking_pushes p
    set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond', fence = p.fence + 1
    from next where p.booking_id = next.booking_id
    returning p.*
  `.execute(db)
  return rows[0]
}

/**
 * Notes a call before it is made. Until its outcome is written down the next one to hold the booking must assume that
 * it happened, and that it may still happen for `lastsMs`. Throws PushLost.
 */
export async function beginCall(
  db: Kysely<Database>,
  claim: PushClaim,
  action: BookingPushAction,
  lastsMs: number,
): Promise<void> {
  const { rows } = await sql`
    update booking_pushes set
      sending = ${action},
      sending_until = clock_timestamp() + ${lastsMs} * interval '1 millisecond',
      lease_until = greatest(lease_until, clock_timestamp() + ${lastsMs + 1_000} * interval '1 millisecond')
    where booking_id = ${claim.bookingId} and fence = ${claim.fence} and lease_until > clock_timestamp()
    returning 1
  `.execute(db)
  if (rows.length === 0) throw new PushLost()
}

/** Notes that the call had no effect, or that what came of it is known. Throws PushLost. */
export async function endCall(db: Kysely<Database>, claim: PushClaim): Promise<void> {
  const row = await db
    .updateTable('booking_pushes')
    .set({ sending: null, sending_until: null })
    .where('booking_id', '=', claim.bookingId)
    .where('fence', '=', claim.fence)
    .returning('booking_id')
    .executeTakeFirst()
  if (row === undefined) throw new PushLost()
}

/** Strikes off a desired value what was done of it; the caller holds the lock of the reservation. */
export async function clearPending(
  trx: Transaction<Database>,
  booking: { id: string; desired: DesiredBooking },
  done: DesiredBooking,
): Promise<void> {
  await writeDesiredBooking(trx, booking.id, remainingDesired(booking.desired, done))
}

/** Replaces what is desired of a booking; the caller holds the lock of the reservation. */
export async function writeDesiredBooking(
  trx: Transaction<Database>,
  bookingId: string,
  desired: DesiredBooking,
): Promise<void> {
  await trx
    .updateTable('bookings')
    .set({ desired: JSON.stringify(desired) })
    .where('id', '=', bookingId)
    .execute()
}

/**
 * Gives the booking back after its work was done. Where something is desired by now it waits on. Returns whether
 * nothing is left. Throws PushLost.
 */
export async function finishPush(db: Kysely<Database>, claim: PushClaim): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    await lockClaimed(trx, claim)
    // A statement of its own: a desired value that was committed while this waited for the lock is seen.
    const { rows } = await sql<{ done: boolean }>`
      update booking_pushes p set
        due_at = case when b.desired = '{}' then null else p.due_at end,
        not_before = null, lease_until = null, attempts = 0, last_error = null
      from bookings b where b.id = p.booking_id and p.booking_id = ${claim.bookingId}
      returning p.due_at is null as done
    `.execute(trx)
    const done = rows[0]?.done === true
    if (done) await closeDeadLetterOf(trx, { queue: outboundQueue, subject: pushSubject(claim.bookingId) })
    return done
  })
}

/** Gives the booking back as it is, to be looked at again in `inMs`: nothing was tried, so no attempt is used up. */
export async function postponePush(db: Kysely<Database>, claim: PushClaim, inMs: number): Promise<void> {
  await sql`
    update booking_pushes set
      not_before = greatest(clock_timestamp() + ${inMs} * interval '1 millisecond', sending_until),
      lease_until = null
    where booking_id = ${claim.bookingId} and fence = ${claim.fence}
  `.execute(db)
}

/** Gives the booking back after a failure; a call that may still land holds it up until it cannot any more. */
export async function releaseFailedPush(
  db: Kysely<Database>,
  claim: PushClaim,
  failure: { usesAttempt: boolean; delayMs: number; mayLand: boolean; message: string },
): Promise<void> {
  await sql`
    update booking_pushes set
      attempts = attempts + ${failure.usesAttempt ? 1 : 0},
      last_error = ${failure.message},
      not_before = greatest(clock_timestamp() + ${failure.delayMs} * interval '1 millisecond',
        case when ${failure.mayLand} then sending_until end),
      lease_until = null
    where booking_id = ${claim.bookingId} and fence = ${claim.fence}
  `.execute(db)
}

/**
 * Sets the booking aside until it is changed or replayed; the caller opens the dead letter. Where it was changed since
 * it had the given revision, it waits on instead, and false is returned. Throws PushLost.
 */
export async function markPushDeadLettered(
  trx: Transaction<Database>,
  claim: PushClaim,
  { revision, kind, message }: { revision: string; kind: string; message: string },
): Promise<boolean> {
  const row = await lockClaimed(trx, claim)
  const isOvertaken = row.revision !== revision
  await sql`
    update booking_pushes set
      failed_kind = ${isOvertaken ? null : kind}, last_error = ${message}, lease_until = null,
      attempts = attempts + ${isOvertaken ? 0 : 1}, not_before = ${isOvertaken ? sql`sending_until` : null}
    where booking_id = ${claim.bookingId}
  `.execute(trx)
  if (isOvertaken) return false
  await noteStep(trx, claim.bookingId, 'failed', message)
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

async function lockClaimed(trx: Transaction<Database>, claim: PushClaim): Promise<BookingPushRow> {
  const row = await trx
    .selectFrom('booking_pushes')
    .selectAll()
    .where('booking_id', '=', claim.bookingId)
    .where('fence', '=', claim.fence)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw new PushLost()
  return row
}
