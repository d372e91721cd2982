import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { WakeTime } from '../queue/queues.ts'

/** What every leased row has beside its own columns; `attempts`, `last_error` and `sending_until` where it makes calls. */
export type LeasedRow = { due_at: Date | null; lease_until: Date | null; fence: string }

/**
 * A table whose rows are worked on one worker at a time. `due_at` says from when on a row may be claimed; it lies behind
 * `not_before` and, where the table has it, behind `sending_until`.
 */
export type LeasedTable = {
  name: 'listing_pushes' | 'booking_pushes' | 'polling_leases'
  /** The columns that name a row. */
  key: readonly string[]
  /** Which due row `w` comes first. */
  order: RawBuilder<unknown>
  /** What else holds up a row `w`: a join, and the moment until which it does. */
  heldUp?: { join: RawBuilder<unknown>; until: RawBuilder<unknown> }
}

/**
 * The right to work on one row. `fence` grows with every lease: what is written under an older one is refused, so that
 * a worker that was frozen cannot undo what its successor did.
 */
export type Lease = { key: readonly string[]; fence: string }

/** Another worker holds the row by now; the work stops and writes nothing. */
export class LeaseLost extends Error {
  constructor() {
    super('Another worker has taken over the work')
    this.name = 'LeaseLost'
  }
}

/**
 * How long a lease lasts without a heartbeat, in milliseconds: work of a worker that died is taken over after that. It
 * does not depend on how long a call may take, because heartbeats continue during calls.
 */
export const defaultLeaseMs = 2_500
const heartbeatsPerLease = 5

/** Connections with abandoned work, whose job may still be held by the worker that died, and those without a signal. */
export type Overdue = { abandoned: string[]; unsignalled: string[] }

/** What a released row remembers. Without `failure` nothing was tried, and no attempt is used up. */
export type Release = {
  /** The row may be claimed again after so many milliseconds. */
  inMs: number
  failure?: { message: string; usesAttempt: boolean; mayLand: boolean }
}

const soon = (ms: number): RawBuilder<Date> => sql`clock_timestamp() + ${ms} * interval '1 millisecond'`

/** The statements of leased work on one table: the same for pushes of listings and bookings, and for polling. */
export function leasesOn<Row extends LeasedRow>({ name, key, order, heldUp }: LeasedTable) {
  const table = sql.table(name)
  const keyColumns = sql.join(key.map((column) => sql.ref(column)))
  const isOf = (lease: Lease): RawBuilder<boolean> =>
    sql`(${keyColumns}) = (${sql.join(lease.key)}) and fence = ${lease.fence}`
  const workableAt = sql`greatest(w.due_at, ${heldUp?.until ?? sql`null::timestamptz`})`
  const rows = sql`${table} w ${heldUp?.join ?? sql``}`

  /** Claims the first due row that is not leased, among those that fit `where`; undefined where there is none. */
  async function claim(
    db: Kysely<Database>,
    { leaseMs, where = sql`true` }: { leaseMs: number; where?: RawBuilder<unknown> },
  ): Promise<Row | undefined> {
    const found = await sql<Row>`
      with next as (
        select ${keyColumns} from ${table} w
        where w.due_at is not null and w.due_at <= clock_timestamp()
          and (w.lease_until is null or w.lease_until <= clock_timestamp()) and ${where}
        order by ${order}
        limit 1
        for update skip locked
      )
      update ${table} w set lease_until = ${soon(leaseMs)}, fence = w.fence + 1, claimed_at = clock_timestamp()
      from next where ${sql.join(
        key.map((column) => sql`w.${sql.ref(column)} = next.${sql.ref(column)}`),
        sql` and `,
      )}
      returning w.*
    `.execute(db)
    return found.rows[0]
  }

  /** Locks the row for a write under the lease, until the transaction ends. Throws LeaseLost. */
  async function lock(trx: Transaction<Database>, lease: Lease): Promise<Row> {
    const found = await sql<Row>`select * from ${table} where ${isOf(lease)} for update`.execute(trx)
    const [row] = found.rows
    if (row === undefined) throw new LeaseLost()
    return row
  }

  /** Extends the lease; a row that was released meanwhile stays released. Throws LeaseLost. */
  async function heartbeat(db: Kysely<Database>, lease: Lease, leaseMs: number): Promise<void> {
    await update(db, lease, sql`lease_until = case when lease_until is not null then ${soon(leaseMs)} end`)
  }

  /** Runs work while heartbeats keep its lease. Work whose lease was lost learns so with its next write. */
  async function hold<Result>(
    db: Kysely<Database>,
    lease: Lease,
    leaseMs: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    let isBeating = false
    const beat = async () => {
      // One that waits for the row holds a connection, and a transaction may lock many rows for long.
      if (isBeating) return
      isBeating = true
      await heartbeat(db, lease, leaseMs).catch(() => undefined)
      isBeating = false
    }
    const timer = setInterval(beat, leaseMs / heartbeatsPerLease)
    try {
      return await work()
    } finally {
      clearInterval(timer)
    }
  }

  /** Releases the row; nothing happens where the lease was lost. */
  async function release(db: Kysely<Database>, lease: Lease, { inMs, failure }: Release): Promise<void> {
    // A call that may still land holds up the row until it cannot.
    const failed =
      failure === undefined
        ? sql``
        : sql`, attempts = attempts + ${failure.usesAttempt ? 1 : 0}, last_error = ${failure.message},
            sending_until = case when ${failure.mayLand} then sending_until end`
    const notBefore = inMs > 0 ? soon(inMs) : sql`null`
    await sql`
      update ${table} set lease_until = null, not_before = ${notBefore} ${failed} where ${isOf(lease)}
    `.execute(db)
  }

  /**
   * Notes a call before it is made, `what` in columns of the table. Until its outcome is written down, a later claim
   * must assume that it happened; it may still happen for `lastsMs`, and no claim comes before that. Throws LeaseLost.
   */
  async function beginCall(
    db: Kysely<Database>,
    lease: Lease,
    { lastsMs, what }: { lastsMs: number; what: RawBuilder<unknown> },
  ): Promise<void> {
    const isHeld = sql`lease_until > clock_timestamp()`
    await update(db, lease, sql`sending_until = ${soon(lastsMs)}, ${what}`, isHeld)
  }

  /** Notes that the call had no effect, or that its effect is known. Throws LeaseLost. */
  async function endCall(db: Kysely<Database>, lease: Lease, what: RawBuilder<unknown>): Promise<void> {
    await update(db, lease, sql`sending_until = null, ${what}`)
  }

  async function update(
    db: Kysely<Database>,
    lease: Lease,
    values: RawBuilder<unknown>,
    condition: RawBuilder<unknown> = sql`true`,
  ): Promise<void> {
    const changed = await sql`
      update ${table} set ${values} where ${isOf(lease)} and ${condition} returning 1
    `.execute(db)
    if (changed.rows.length === 0) throw new LeaseLost()
  }

  /** When each of these connections has work that may be done; none for those without work. */
  async function wakeTimes(db: Kysely<Database>, connectionIds: string[]): Promise<WakeTime[]> {
    const found = await sql<WakeTime>`
      select w.connection_id as "connectionId", greatest(0, ceil(extract(epoch from
        min(greatest(${workableAt}, w.lease_until)) - clock_timestamp()) * 1000))::float8 as "inMs"
      from ${rows}
      where w.connection_id = any(${connectionIds}::uuid[]) and w.due_at is not null
      group by w.connection_id
    `.execute(db)
    return found.rows
  }

  /**
   * Active connections whose work has been workable for so long that its signal was lost, or whose worker died; at most
   * `limit`.
   */
  async function overdueConnections(
    db: Kysely<Database>,
    { overdueMs, limit }: { overdueMs: number; limit: number },
  ): Promise<Overdue> {
    const found = await sql<{ connectionId: string; isAbandoned: boolean }>`
      select w.connection_id as "connectionId",
        coalesce(bool_or(w.lease_until <= clock_timestamp()), false) as "isAbandoned"
      from ${rows}
      join hostaway_connections c on c.id = w.connection_id and c.status = 'active'
      where w.due_at is not null and (w.lease_until is null or w.lease_until <= clock_timestamp())
      group by w.connection_id
      having bool_or(${workableAt} < clock_timestamp() - ${overdueMs} * interval '1 millisecond')
      limit ${limit}
    `.execute(db)
    const idsOf = (isAbandoned: boolean) =>
      found.rows.filter((row) => row.isAbandoned === isAbandoned).map(({ connectionId }) => connectionId)
    return { abandoned: idsOf(true), unsignalled: idsOf(false) }
  }

  return { claim, lock, heartbeat, hold, release, beginCall, endCall, wakeTimes, overdueConnections }
}
