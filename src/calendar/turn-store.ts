import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database } from '../platform/db/tables.ts'

// When the listing `p` can be worked on, given what its connection `w` was told about waiting.
const workableAt: RawBuilder<Date> = sql`
  greatest(p.due_at, p.lease_until, case when p.urgency >= w.wake_urgency then w.wake_at end)`

/** In how many milliseconds each connection has work that may be done; none for those without work. */
export async function readWakeTimes(
  db: Kysely<Database>,
  connectionIds: string[],
): Promise<Array<{ connectionId: string; inMs: number }>> {
  const { rows } = await sql<{ connectionId: string; inMs: number }>`
    select p.connection_id as "connectionId",
      greatest(0, ceil(extract(epoch from min(${workableAt}) - clock_timestamp()) * 1000))::float8 as "inMs"
    from listing_pushes p left join connection_pushes w on w.connection_id = p.connection_id
    where p.connection_id = any(${connectionIds}::uuid[]) and p.due_at is not null
    group by p.connection_id
  `.execute(db)
  return rows
}

/** What the connection may work on now: only what is more urgent than `above`; undefined where it may do everything. */
export async function readTurn(
  db: Kysely<Database>,
  connectionId: string,
): Promise<{ above: number; wakeAt: Date } | undefined> {
  const row = await db
    .selectFrom('connection_pushes')
    .select(['wake_at', 'wake_urgency'])
    .where('connection_id', '=', connectionId)
    .where('wake_at', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirst()
  return row?.wake_at == null ? undefined : { above: row.wake_urgency, wakeAt: row.wake_at }
}

/** Notes that until `inMs` from now only what is more urgent than `urgency` may go on. */
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

/** Forgets what a connection waits for: what held it up is over. Safe to repeat. */
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

/** Connections with work that could have been done for so long that their signal must have been lost. */
export async function listOverdueConnections(
  db: Kysely<Database>,
  { overdueMs, limit }: { overdueMs: number; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ connectionId: string }>`
    select distinct p.connection_id as "connectionId"
    from listing_pushes p
    join hostaway_connections c on c.id = p.connection_id and c.status = 'active'
    left join connection_pushes w on w.connection_id = p.connection_id
    where p.due_at is not null
      and ${workableAt} < clock_timestamp() - ${overdueMs} * interval '1 millisecond'
    limit ${limit}
  `.execute(db)
  return rows.map(({ connectionId }) => connectionId)
}
