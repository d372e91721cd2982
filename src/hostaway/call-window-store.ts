import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { CallLimit } from './rate-limit-profile.ts'

export type WindowScope = 'ip' | 'account'
export type WindowKey = { scope: WindowScope; key: string }

/** The calls recorded for one IP or account, oldest first, and until when nothing may be sent. */
export type CallWindow = WindowKey & { calls: Date[]; pausedUntil: Date | null }

/** `now` by the database's clock; `askedAt` is `performance.now()` of this process just before it was read. */
export type LockedWindows = { ip: CallWindow; account: CallWindow; now: Date; askedAt: number }

const lockTimeout = '5s'
// A process that is frozen while it holds the IP's row would otherwise stop every other one.
const idleTimeout = '3s'

/**
 * Runs `use` with the rows of an IP and an account locked, in that order everywhere so that no two processes wait for
 * each other. `now` is the database's time read after both locks are held: read before, it could be older than
 * what the holder before us recorded.
 */
export async function withLockedWindows<Result>(
  db: Kysely<Database>,
  keys: { ip: string; accountId: string },
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
  keys: { ip: string; accountId: string },
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
      const clock = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(trx)
      const now = clock.rows[0]?.now
      if (now === undefined) throw new Error('The database did not tell the time')
      return { result: await use(trx, { ...windows, now, askedAt }) }
    })
}

/** Replaces the recorded calls of both windows; the caller holds their locks. */
export async function saveCalls(
  trx: Transaction<Database>,
  ip: CallWindow,
  account: CallWindow,
): Promise<void> {
  await sql`
    update hostaway_call_windows as w set calls = case w.scope
        when 'ip' then ${isoTexts(ip.calls)}::timestamptz[] else ${isoTexts(account.calls)}::timestamptz[] end
    where (w.scope, w.window_key) in (('ip', ${ip.key}), ('account', ${account.key}))
  `.execute(trx)
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

// On its own, committed at once: a new row that waits for a lock within the same transaction can wait for somebody who
// waits for the row.
async function createWindows(db: Kysely<Database>, keys: { ip: string; accountId: string }): Promise<void> {
  await sql`
    insert into hostaway_call_windows (scope, window_key)
    values ('ip', ${keys.ip}), ('account', ${keys.accountId})
    on conflict do nothing
  `.execute(db)
}

async function lockWindows(
  trx: Transaction<Database>,
  keys: { ip: string; accountId: string },
): Promise<{ ip: CallWindow; account: CallWindow } | undefined> {
  // The locks are taken in the order of the sort, 'ip' after 'account' in the alphabet, hence descending.
  const { rows } = await sql<{ scope: WindowScope; key: string; calls: Date[]; pausedUntil: Date | null }>`
    select scope, window_key as key, calls, paused_until as "pausedUntil"
    from hostaway_call_windows
    where (scope, window_key) in (('ip', ${keys.ip}), ('account', ${keys.accountId}))
    order by scope desc
    for update
  `.execute(trx)
  const ip = rows.find((row) => row.scope === 'ip')
  const account = rows.find((row) => row.scope === 'account')
  return ip === undefined || account === undefined ? undefined : { ip, account }
}

function isoTexts(instants: Date[]): string[] {
  return instants.map((instant) => instant.toISOString())
}
