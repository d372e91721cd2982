import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { BookingPushStepsTable } from '../../platform/db/outbound-tables.ts'
import type { Database } from '../../platform/db/tables.ts'

// When the booking of the push `p` can be worked on.
const workableAt: RawBuilder<Date> = sql`greatest(p.due_at, p.not_before, p.lease_until)`
const waits: RawBuilder<boolean> = sql`p.due_at is not null and p.failed_kind is null`

/** In how many milliseconds each connection has a booking that may be told to Hostaway; none for those without. */
export async function readPushTimes(
  db: Kysely<Database>,
  connectionIds: string[],
): Promise<Array<{ connectionId: string; inMs: number }>> {
  const { rows } = await sql<{ connectionId: string; inMs: number }>`
    select p.connection_id as "connectionId",
      greatest(0, ceil(extract(epoch from min(${workableAt}) - clock_timestamp()) * 1000))::float8 as "inMs"
    from booking_pushes p
    where p.connection_id = any(${connectionIds}::uuid[]) and ${waits}
    group by p.connection_id
  `.execute(db)
  return rows
}

/** Connections with bookings that could have been told for so long that their job must have been lost. */
export async function listOverduePushes(
  db: Kysely<Database>,
  { overdueMs, limit }: { overdueMs: number; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ connectionId: string }>`
    select distinct p.connection_id as "connectionId"
    from booking_pushes p
    join hostaway_connections c on c.id = p.connection_id and c.status = 'active'
    where ${waits} and ${workableAt} < clock_timestamp() - ${overdueMs} * interval '1 millisecond'
    limit ${limit}
  `.execute(db)
  return rows.map(({ connectionId }) => connectionId)
}

/** How many bookings wait to be told to Hostaway; all tenants, for the gauges. Who is disconnected waits for nothing. */
export async function countWaitingPushes(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::integer as count
    from booking_pushes p
    join hostaway_connections c on c.id = p.connection_id and c.status <> 'disconnected'
    where ${waits}
  `.execute(db)
  return rows[0]?.count ?? 0
}

/** What was done of late to tell Hostaway of a booking, oldest first, for its timeline. */
export async function listPushSteps(
  db: Kysely<Database>,
  { bookingId, limit }: { bookingId: string; limit: number },
): Promise<Array<{ id: string; step: BookingPushStepsTable['step']; detail: string; at: Date }>> {
  const newestFirst = await db
    .selectFrom('booking_push_steps')
    .select(['id', 'step', 'detail', 'at'])
    .where('booking_id', '=', bookingId)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return newestFirst.reverse()
}
