import type { ColumnType, Generated, Selectable } from 'kysely'

// As in tables.ts, which collects every table.
type Timestamp = ColumnType<Date, Date | string, Date | string>
type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>
type Day = string
type Json<Read> = ColumnType<Read, string, string>

/** Per night of a listing: the desired, pushed and observed values; null means that TVL does not decide it, or not known. */
export interface CalendarDaysTable {
  connection_id: string
  listing_id: string
  day: Day
  tenant_id: string
  desired_units: number | null
  desired_price: string | null
  desired_min_stay: number | null
  desired_max_stay: number | null
  desired_closed_on_arrival: boolean | null
  desired_closed_on_departure: boolean | null
  desired_note: string | null
  pushed_units: number | null
  pushed_price: string | null
  pushed_min_stay: number | null
  pushed_max_stay: number | null
  pushed_closed_on_arrival: boolean | null
  pushed_closed_on_departure: boolean | null
  pushed_note: string | null
  held: Generated<boolean>
  unverified_since: Timestamp | null
  failed_kind: string | null
  drifted_at: Timestamp | null
  units_differ: ColumnType<boolean, never, never>
  rest_differs: ColumnType<boolean, never, never>
  desired_batch: string | null
  desired_at: Timestamp | null
}

/** What of a listing waits to be pushed, and the lease of the worker that pushes it. */
export interface ListingPushesTable {
  connection_id: string
  listing_id: string
  tenant_id: string
  availability_due_at: Timestamp | null
  price_due_at: Timestamp | null
  details_due_at: Timestamp | null
  check_due_at: Timestamp | null
  not_before: Timestamp | null
  urgency: ColumnType<number | null, never, never>
  waiting_since: ColumnType<Date | null, never, never>
  due_at: ColumnType<Date | null, never, never>
  lease_until: Timestamp | null
  claimed_at: GeneratedTimestamp
  fence: ColumnType<string, string | undefined, string>
  sending_from: Day | null
  sending_to: Day | null
  sending_until: Timestamp | null
  details_sending: Generated<boolean>
  attempts: Generated<number>
  last_error: string | null
  last_pushed_at: Timestamp | null
  last_checked_at: Timestamp | null
  desired_details: Json<Record<string, unknown>>
  pushed_details: Json<Record<string, unknown>>
  details_failed_kind: string | null
}

export interface DesiredEventsTable {
  id: string
  tenant_id: string
  batch_id: string
  position: number
  received_at: GeneratedTimestamp
  source: string | null
  event_id: string | null
  type: string
  unit_id: string
  data: Json<Record<string, unknown>>
  token_id: string | null
  token_name: string
  role: string
  request_id: string
}

export interface ConnectionPushesTable {
  connection_id: string
  wake_at: Timestamp | null
  wake_urgency: Generated<number>
}

export interface ScheduledRunsTable {
  name: string
  last_run_at: Timestamp
}

export interface IdempotencyKeysTable {
  tenant_id: string
  scope: string
  key: string
  request_hash: Buffer
  answer: Json<unknown> | null
  created_at: GeneratedTimestamp
}

export type BookingPushAction = 'create' | 'change' | 'cancel'
export type BookingPushStep = 'accepted' | 'pushed' | 'failed'

/** The pending change of a booking that the channel has not confirmed yet, and the lease of the worker that pushes it. */
export interface BookingPushesTable {
  booking_id: string
  connection_id: string
  tenant_id: string
  waiting_since: Timestamp | null
  due_at: ColumnType<Date | null, never, never>
  not_before: Timestamp | null
  lease_until: Timestamp | null
  claimed_at: GeneratedTimestamp
  fence: ColumnType<string, string | undefined, string>
  sending: BookingPushAction | null
  sending_until: Timestamp | null
  revision: ColumnType<string, string | undefined, string>
  attempts: Generated<number>
  last_error: string | null
  failed_kind: string | null
}

export interface BookingPushStepsTable {
  id: Generated<string>
  booking_id: string
  step: BookingPushStep
  detail: string
  at: GeneratedTimestamp
}

export type CalendarDayRow = Selectable<CalendarDaysTable>
export type ListingPushRow = Selectable<ListingPushesTable>
export type BookingPushRow = Selectable<BookingPushesTable>
