import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'
import { byUrgency, graceMs, type SlidingWindow, type Waiter } from './call-admission.ts'
import type { CallLimit } from './rate-limit-profile.ts'

export type WindowScope = 'ip' | 'account'
export type WindowKey = { scope: WindowScope; key: string }

/** `furtherLimit` is an account's own limit beside the profile's. */
type RecordedCalls = Omit<SlidingWindow, 'limits'> & { furtherLimit: CallLimit | undefined }
type WindowKeys = { ip: string; accountId: string }

/**
 * Two windows and the waiters for the IP's; instants are milliseconds by the database's clock, as is `now`. `askedAt`
 * is `performance.now()` of this process just before `now` was read.
 */
export type LockedWindows = {
  ip: RecordedCalls
  account: RecordedCalls
  waiters: Waiter[]
  now: number
  askedAt: number
}

const lockTimeout = '5s'
// A process that freezes while it holds the IP's row must not stop every other one.
const idleTimeout = '3s'
// A waiter farther back gets a moment behind all of these.
const maxWaiters = 500
const forgottenAfter = '1 minute'

/**
 * Runs `use` with the rows of an IP and an account locked, in that order everywhere so that no two processes wait for
 * each other. `now` is the database's time read after both locks are held: read before, it could be older than
 * what the holder before us recorded.
 */
export async function withLockedWindows<Result>(
  db: Kysely<Database>,
  keys: WindowKeys,
  use: (trx: Transaction<Database>, windows: LockedWindows) => Promise<Result>,
): Promise<Result> {
  const used = await lockAndUse(db, keys, use)
  if (used !== undefined) return used.result
  await createWindows(db, keys)
  const again = await lockAndUse(db, keys, use)
  if (again === undefined) throw new Error('The call windows were removed while they were being created')
  return again.result
}

async function lockAndUse<Result>(
  db: Kysely<Database>,
  keys: WindowKeys,
  use: (trx: Transaction<Database>, windows: LockedWindows) => Promise<Result>,
): Promise<{ result: Result } | undefined> {
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (trx) => {
      await sql`select set_config('lock_timeout', ${lockTimeout}, true),
        set_config('idle_in_transaction_session_timeout', ${idleTimeout}, true)`.execute(trx)
      const windows = await lockWindows(trx, keys)
      if (windows === undefined) return undefined
      const askedAt = performance.now()
      return { result: await use(trx, { ...windows, ...(await readQueue(trx, keys)), askedAt }) }
    })
}

/** Replaces the recorded calls of both windows; the caller holds their locks. */
export async function saveCalls(
  trx: Transaction<Database>,
  keys: WindowKeys,
  { ipCalls, accountCalls }: { ipCalls: number[]; accountCalls: number[] },
): Promise<void> {
  await sql`
    update hostaway_call_windows as w set calls = case w.scope
        when 'ip' then ${isoTexts(ipCalls)}::timestamptz[] else ${isoTexts(accountCalls)}::timestamptz[] end
    where (w.scope, w.window_key) in (('ip', ${keys.ip}), ('account', ${keys.accountId}))
  `.execute(trx)
}

/** Gives an account its place in the queue for the IP's window; the caller holds that window's lock. Safe to repeat. */
export async function joinQueue(
  trx: Transaction<Database>,
  egressId: string,
  { accountId, urgency, since, expectedAt }: Waiter,
): Promise<void> {
  await sql`
    with gone as (
      delete from hostaway_call_waiters
      where egress_id = ${egressId} and (account_id, urgency) <> (${accountId}, ${urgency})
        and expected_at < clock_timestamp() - ${forgottenAfter}::interval
    )
    insert into hostaway_call_waiters (egress_id, account_id, urgency, since, expected_at)
    values (${egressId}, ${accountId}, ${urgency}, ${isoText(since)}, ${isoText(expectedAt)})
    on conflict (egress_id, account_id, urgency) do update
      set since = excluded.since, expected_at = excluded.expected_at
  `.execute(trx)
}

/** Takes an account out of the queue; the caller holds the lock of the IP's window. Safe to repeat. */
export async function leaveQueue(
  trx: Transaction<Database>,
  egressId: string,
  { accountId, urgency }: Pick<Waiter, 'accountId' | 'urgency'>,
): Promise<void> {
  await trx
    .deleteFrom('hostaway_call_waiters')
    .where('egress_id', '=', egressId)
    .where('account_id', '=', accountId)
    .where('urgency', '=', urgency)
    .execute()
}

/** Stops one window for `milliseconds` from now by the database's clock; never shortens a pause. Safe to repeat. */
export async function pauseWindow(
  db: Kysely<Database>,
  window: WindowKey,
  milliseconds: number,
): Promise<void> {
  await sql`
    insert into hostaway_call_windows as w (scope, window_key, paused_until)
    values (${window.scope}, ${window.key}, clock_timestamp() + ${milliseconds} * interval '1 millisecond')
    on conflict (scope, window_key) do update
      set paused_until = greatest(w.paused_until, excluded.paused_until)
  `.execute(db)
}

/** Gives an account a limit of its own beside the profile's; undefined takes it away. Safe to repeat. */
export async function limitAccount(
  db: Kysely<Database>,
  accountId: string,
  own: CallLimit | undefined,
): Promise<void> {
  const [limit, milliseconds] = [own?.limit ?? null, own?.milliseconds ?? null]
  await sql`
    insert into hostaway_call_windows (scope, window_key, further_limit, further_limit_ms)
    values ('account', ${accountId}, ${limit}::integer, ${milliseconds}::integer)
    on conflict (scope, window_key) do update
      set further_limit = excluded.further_limit, further_limit_ms = excluded.further_limit_ms
  `.execute(db)
}

/**
 * How many calls one window of a scope still allows, the least over its rows; the whole limit when there are none.
 * `key` undefined means every row of the scope. Reads without locking, so it is a picture, not a promise.
 */
export async function leastAvailable(
  db: Kysely<Database>,
  scope: WindowScope,
  key: string | undefined,
  { limit, milliseconds }: CallLimit,
): Promise<number> {
  const answer = await sql<{ available: number }>`
    select coalesce(min(case
        when paused_until > clock_timestamp() then 0
        else greatest(0, ${limit}::integer - (
          select count(*)::integer from unnest(calls) as call
          where call > clock_timestamp() - ${milliseconds} * interval '1 millisecond'))
      end), ${limit}::integer) as available
    from hostaway_call_windows
    where scope = ${scope} and (${key ?? null}::text is null or window_key = ${key ?? null})
  `.execute(db)
  return answer.rows[0]?.available ?? limit
}

// On its own, committed at once: a new row that waits for a lock within the same transaction can wait for a
// transaction that waits for the row.
async function createWindows(db: Kysely<Database>, keys: WindowKeys): Promise<void> {
  await sql`
    insert into hostaway_call_windows (scope, window_key)
    values ('ip', ${keys.ip}), ('account', ${keys.accountId})
    on conflict do nothing
  `.execute(db)
}

async function lockWindows(
  trx: Transaction<Database>,
  keys: WindowKeys,
): Promise<{ ip: RecordedCalls; account: RecordedCalls } | undefined> {
  // The locks are taken in the order of the sort, 'ip' after 'account' in the alphabet, hence descending.
  const { rows } = await sql<{
    scope: WindowScope
    calls: Date[]
    pausedUntil: Date | null
    limit: number | null
    milliseconds: number | null
  }>`
    select scope, calls, paused_until as "pausedUntil", further_limit as limit, further_limit_ms as milliseconds
    from hostaway_call_windows
    where (scope, window_key) in (('ip', ${keys.ip}), ('account', ${keys.accountId}))
    order by scope desc
    for update
  `.execute(trx)
  const windowOf = (scope: WindowScope) => {
    const row = rows.find((one) => one.scope === scope)
    if (row === undefined) return undefined
    const { limit, milliseconds } = row
    return {
      calls: row.calls.map((call) => call.getTime()),
      pausedUntil: row.pausedUntil?.getTime(),
      furtherLimit: limit === null || milliseconds === null ? undefined : { limit, milliseconds },
    }
  }
  const [ip, account] = [windowOf('ip'), windowOf('account')]
  return ip === undefined || account === undefined ? undefined : { ip, account }
}

// The time, and the head of the queue together with the account's own places.
async function readQueue(
  trx: Transaction<Database>,
  { ip, accountId }: WindowKeys,
): Promise<{ now: number; waiters: Waiter[] }> {
  const { rows } = await sql<{ now: Date; waiters: Waiter[] }>`
    select clock_timestamp() as now, (
      select coalesce(json_agg(json_build_object('accountId', w.account_id, 'urgency', w.urgency,
        'since', extract(epoch from w.since) * 1000, 'expectedAt', extract(epoch from w.expected_at) * 1000)), '[]')
      from (
        select * from hostaway_call_waiters
        where egress_id = ${ip} and (account_id = ${accountId}
          or expected_at > clock_timestamp() - ${graceMs} * interval '1 millisecond')
        order by account_id = ${accountId} desc, array_position(${[...byUrgency]}::text[], urgency), since
        limit ${maxWaiters}
      ) as w) as waiters
  `.execute(trx)
  const row = rows[0]
  if (row === undefined) throw new Error('The database returned no time')
  return { now: row.now.getTime(), waiters: row.waiters }
}

function isoTexts(instants: number[]): string[] {
  return instants.map(isoText)
}

function isoText(instant: number): string {
  return new Date(instant).toISOString()
}
