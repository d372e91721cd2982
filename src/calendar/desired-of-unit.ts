import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { fieldNames, valueAt } from './calendar-fields.ts'
import { findSenders, type Sent } from './desired-event-store.ts'
import { type DesiredNightRow, listDesiredNights, type NightState, nightStates } from './sync-status-store.ts'

/** What is desired of a night and what was pushed, by the names of events, and how it stands. */
export type DesiredNight = {
  desired: Record<string, unknown>
  pushed: Record<string, unknown>
  pending: boolean
  state: NightState
  /** Why it stands so, for people; null where there is nothing to say. */
  reason: string | null
  deadLetterId: string | null
  desiredAt: string | null
  desiredBy: Sent | null
}

export const nothingDesired: DesiredNight = {
  desired: {},
  pushed: {},
  pending: false,
  state: 'none',
  reason: null,
  deadLetterId: null,
  desiredAt: null,
  desiredBy: null,
}

/** The desired nights of units by `<unit> <day>`, both ends included; a night without a desired value is missing. */
export async function desiredOfUnits(
  db: Kysely<Database>,
  scope: { tenantId: string; unitIds: string[]; connectionId: string | undefined },
  range: { from: string; to: string },
): Promise<Map<string, DesiredNight>> {
  const rows = await listDesiredNights(db, scope, range)
  const senders = await findSenders(db, rows)
  const nights = new Map<string, DesiredNight>()
  for (const row of rows) {
    const key = `${row.unit_id} ${row.day}`
    nights.set(key, joined(nights.get(key) ?? nothingDesired, toNight(row, senders(row))))
  }
  return nights
}

function toNight(row: DesiredNightRow, desiredBy: Sent | null): DesiredNight {
  return {
    desired: valuesOf(row, 'desired'),
    pushed: valuesOf(row, 'pushed'),
    pending: row.state === 'pending' || row.state === 'paused' || row.state === 'disabled',
    state: row.state,
    reason: reasonOf(row),
    deadLetterId: row.dead_letter_id,
    desiredAt: row.desired_at?.toISOString() ?? null,
    desiredBy,
  }
}

// Of several listings, the one that needs attention most says how the night stands.
function joined(one: DesiredNight, other: DesiredNight): DesiredNight {
  const [worse] = [one, other].toSorted(
    (left, right) => nightStates.indexOf(left.state) - nightStates.indexOf(right.state),
  )
  return {
    ...(worse ?? other),
    desired: { ...one.desired, ...other.desired },
    pushed: { ...one.pushed, ...other.pushed },
    pending: one.pending || other.pending,
  }
}

function valuesOf(night: DesiredNightRow, state: 'desired' | 'pushed'): Record<string, unknown> {
  return {
    ...availability(night[`${state}_units`], night.unit_count > 1),
    ...Object.fromEntries(
      fieldNames.flatMap((field) => {
        const value = field === 'units' ? null : valueAt(night, state, field)
        return value === null ? [] : [[field, field === 'price' ? Number(value) : value]]
      }),
    ),
  }
}

function availability(units: number | null, isMultiUnit: boolean): Record<string, unknown> {
  if (units === null) return {}
  return { available: units > 0, ...(isMultiUnit ? { unitsToSell: units } : {}) }
}

function reasonOf(row: DesiredNightRow): string | null {
  switch (row.state) {
    case 'failed':
      return row.failure ?? `The channel did not take it (${row.failed_kind})`
    case 'paused':
      return `The connection is ${row.connection_status}, so nothing is pushed`
    case 'disabled':
      return `Pushing ${row.units_differ ? 'availability' : 'prices and restrictions'} is switched off for this connection`
    case 'held':
      return 'A booking holds the night, so its availability is up to the channel until it ends'
    case 'pending':
      return row.unverified_since === null
        ? 'It is pushed next'
        : 'The outcome of the last push is not known; the night is read first'
    default:
      return null
  }
}
