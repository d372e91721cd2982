import type { ColumnType, Generated, Insertable, Selectable } from 'kysely'
import type {
  ImportsTable,
  PollingLeasesTable,
  ReconcilesTable,
  ReservationFetchesTable,
} from './history-tables.ts'
import type { BookingRemapsTable, MappingSpecsTable } from './mapping-tables.ts'
import type {
  BookingPushesTable,
  BookingPushStepsTable,
  CalendarDaysTable,
  ConnectionPushesTable,
  DesiredEventsTable,
  IdempotencyKeysTable,
  ListingPushesTable,
  ScheduledRunsTable,
} from './outbound-tables.ts'

// A timestamp is written as a Date or an ISO string and read as a Date.
type Timestamp = ColumnType<Date, Date | string, Date | string>
type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>
// A calendar day stays the string `YYYY-MM-DD` from wire to response.
type Day = string
// jsonb is written as text, so that what is an array stays a JSON array.
type Json<Read> = ColumnType<Read, string, string>

export type Role = 'admin' | 'owner' | 'manager' | 'viewer' | 'service'
export type ConnectionStatus = 'connecting' | 'active' | 'paused' | 'needs_reauth' | 'disconnected'
export type WebhookAuth = 'basic' | 'hmac' | 'basic+hmac'
export type WebhookStatus = 'received' | 'processed' | 'queued' | 'ignored' | 'failed'
export type BookingStatus = 'confirmed' | 'pending' | 'cancelled' | 'inquiry'
export type ApprovalStatus = 'pending' | 'mapped' | 'imported' | 'rejected' | 'withdrawn' | 'failed'
export type DeadLetterStatus = 'open' | 'replayed' | 'discarded'
export type VersionKind = 'source' | 'provisional'
export type BookingOrigin = 'channel' | 'tvl'

export interface TenantsTable {
  id: string
  slug: string
  name: string
  created_at: GeneratedTimestamp
}

export interface ApiTokensTable {
  id: string
  tenant_id: string | null
  role: Role
  name: string
  token_hash: Buffer
  created_at: GeneratedTimestamp
  revoked_at: Timestamp | null
  expires_at: Timestamp | null
  last_used_at: Timestamp | null
  created_by: string | null
}

export type AuditOutcome = 'started' | 'done' | 'refused' | 'failed'

export interface AuditLogTable {
  id: string
  at: GeneratedTimestamp
  tenant_id: string | null
  actor_kind: string
  actor_id: string | null
  actor_name: string
  role: Role
  action: string
  subject: string
  detail: Json<{ fields?: string[]; entries?: number }>
  outcome: AuditOutcome
  status_code: number | null
  ip: string
  request_id: string
}

export interface ConnectionsTable {
  id: string
  tenant_id: string
  channel: string
  account_id: string
  status: ConnectionStatus
  status_reason: string | null
  auto_import: boolean
  auto_map_listings: boolean
  alerting_email_address: string | null
  webhook_auth: WebhookAuth
  webhook_external_id: string | null
  webhook_url: string
  webhook_login_sealed: string | null
  webhook_password_sealed: string | null
  webhook_hmac_secret_sealed: string | null
  webhook_next_credentials_sealed: string | null
  webhook_former_secrets_sealed: string | null
  webhook_secrets_set_at: GeneratedTimestamp
  webhook_check_due_at: GeneratedTimestamp
  silence_reported_at: Timestamp | null
  api_key_sealed: string | null
  key_set_at: Timestamp
  access_token_sealed: string | null
  access_token_usable_at: Timestamp | null
  access_token_expires_at: Timestamp | null
  last_sync_at: Timestamp | null
  disconnecting_since: Timestamp | null
  sync_availability: Generated<boolean>
  sync_pricing: Generated<boolean>
  sync_listings: Generated<boolean>
  reconcile: Generated<boolean>
  sync_availability_cron: string | null
  sync_pricing_cron: string | null
  sync_listings_cron: string | null
  reconcile_cron: string | null
  calls_per_minute: number | null
  calls_at_once: number | null
  created_at: GeneratedTimestamp
  updated_at: GeneratedTimestamp
}

export interface ListingsTable {
  connection_id: string
  listing_id: string
  tenant_id: string
  unit_id: string | null
  name: string
  currency: string | null
  time_zone: string | null
  unit_count: Generated<number>
  commission_rate: string | null
  unit_set_by_hand: Generated<boolean>
  created_at: GeneratedTimestamp
  updated_at: GeneratedTimestamp
}

export interface WebhookLogsTable {
  id: string
  tenant_id: string
  connection_id: string
  event_type: string
  source_event: string | null
  external_id: string | null
  body: string
  status: Generated<WebhookStatus>
  outcome: string | null
  received_at: GeneratedTimestamp
  enqueued_at: Timestamp | null
  processed_at: Timestamp | null
  parked: Generated<boolean>
}

export interface BookingsTable {
  id: string
  tenant_id: string
  connection_id: string
  channel: string
  external_id: string
  listing_id: string
  unit_id: string
  status: BookingStatus
  source_status: string
  check_in: Day | null
  check_out: Day | null
  unit_count: number
  guest_name: string | null
  guest_email: string | null
  guest_phone: string | null
  guests_total: number | null
  guests_adults: number | null
  guests_children: number | null
  guests_infants: number | null
  guests_pets: number | null
  amount_total: string | null
  amount_minor: string | null
  currency: string | null
  channel_name: string | null
  confirmation_code: string | null
  fields: Json<Record<string, unknown>>
  mapping_version: number
  mapping_warnings: Json<Array<{ field: string; code: string; message: string }>>
  /** What the channel sent; null until it has sent anything of a booking made in TVL. */
  source: ColumnType<unknown, string | null, string | null>
  /** What TVL wrote of a booking that it made; null for every other one. */
  draft: ColumnType<unknown, string | null | undefined, string | null>
  origin: Generated<BookingOrigin>
  desired: ColumnType<Record<string, unknown> | null, string | null | undefined, string | null>
  version_kind: VersionKind
  version_at: Timestamp
  fetched_at: Timestamp | null
  field_versions: Json<Record<string, string>> | null
  source_updated_at: Timestamp | null
  created_at: GeneratedTimestamp
  updated_at: GeneratedTimestamp
}

export interface AvailabilityBlocksTable {
  connection_id: string
  external_id: string
  tenant_id: string
  listing_id: string
  unit_id: string | null
  first_night: Day
  departure: Day
  unit_count: number
  confirmed: boolean
  booking_id: string | null
}

export interface BookingQueueTable {
  id: string
  tenant_id: string
  connection_id: string
  external_id: string
  listing_id: string | null
  status: ApprovalStatus
  problems: Json<Array<{ field: string; code: string; message: string }>>
  draft: Json<unknown>
  source: Json<unknown>
  source_status: string | null
  version_kind: VersionKind
  version_at: Timestamp
  fetched_at: Timestamp | null
  field_versions: Json<Record<string, string>> | null
  webhook_id: string | null
  overrides: ColumnType<unknown, string | undefined, string>
  decided_at: Timestamp | null
  decided_by: string | null
  rejection_reason: string | null
  created_at: GeneratedTimestamp
  updated_at: GeneratedTimestamp
}

export interface EventOutboxTable {
  id: Generated<string>
  transaction_id: Generated<string>
  tenant_id: string
  connection_id: string | null
  subject: string
  type: string
  data: Json<unknown>
  created_at: GeneratedTimestamp
}

export interface DeadLettersTable {
  id: string
  tenant_id: string | null
  connection_id: string | null
  queue: string
  job: string
  subject: string
  payload: Json<Record<string, string>>
  kind: string
  message: string
  attempts: number
  status: Generated<DeadLetterStatus>
  trace_id: string | null
  first_failed_at: GeneratedTimestamp
  last_failed_at: GeneratedTimestamp
  replayed_at: Timestamp | null
  discarded_at: Timestamp | null
  discard_reason: string | null
}

/** One sliding window: the instants of the calls still inside it, oldest first. */
export interface CallWindowsTable {
  scope: 'ip' | 'account'
  window_key: string
  calls: ColumnType<Date[], Date[] | string[], Date[] | string[]>
  paused_until: Timestamp | null
  further_limit: number | null
  further_limit_ms: number | null
}

export interface CallWaitersTable {
  egress_id: string
  account_id: string
  urgency: 'urgent' | 'normal' | 'bulk'
  since: Timestamp
  expected_at: Timestamp
}

export interface Database {
  tenants: TenantsTable
  api_tokens: ApiTokensTable
  audit_log: AuditLogTable
  hostaway_connections: ConnectionsTable
  listings: ListingsTable
  webhook_logs: WebhookLogsTable
  bookings: BookingsTable
  availability_blocks: AvailabilityBlocksTable
  hostaway_booking_queue: BookingQueueTable
  event_outbox: EventOutboxTable
  dead_letter_queue: DeadLettersTable
  hostaway_call_windows: CallWindowsTable
  hostaway_call_waiters: CallWaitersTable
  calendar_days: CalendarDaysTable
  desired_events: DesiredEventsTable
  listing_pushes: ListingPushesTable
  connection_pushes: ConnectionPushesTable
  scheduled_runs: ScheduledRunsTable
  idempotency_keys: IdempotencyKeysTable
  mapping_specs: MappingSpecsTable
  booking_remaps: BookingRemapsTable
  imports: ImportsTable
  reconciles: ReconcilesTable
  reservation_fetches: ReservationFetchesTable
  polling_leases: PollingLeasesTable
  booking_pushes: BookingPushesTable
  booking_push_steps: BookingPushStepsTable
}

export type ConnectionRow = Selectable<ConnectionsTable>
export type ListingRow = Selectable<ListingsTable>
export type BookingRow = Selectable<BookingsTable>
export type NewBookingRow = Insertable<BookingsTable>
export type WebhookLogRow = Selectable<WebhookLogsTable>
export type BookingQueueRow = Selectable<BookingQueueTable>
export type BlockRow = Selectable<AvailabilityBlocksTable>
export type DeadLetterRow = Selectable<DeadLettersTable>
