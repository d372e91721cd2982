import type { ColumnType, Generated, Selectable } from 'kysely'

// As in tables.ts, which collects every table.
type Timestamp = ColumnType<Date, Date | string, Date | string>
type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>
type Day = string
type Json<Read> = ColumnType<Read, string, string>

export type ImportStatus = 'running' | 'completed' | 'failed' | 'cancelled'

/** How far a reading of the channel's reservation list has come; instants are ISO texts, by the channel's clock. */
export type Walk = {
  /** Down to what last changed then; null: to the end of the list. */
  downTo: string | null
  /** The newest change on the first page: what changes later belongs to the next reading. */
  newestSeen: string | null
  /** The last reservations of the last page, the very last first; the next page is asked for behind one of them. */
  cursors: string[]
  /** How many of these turned out to be of no use. */
  skipped: number
  /** When the very last one had last changed. */
  cursorAt: string | null
  /** Rows read so far. */
  rows: number
  /** How often it began at the top again. */
  restarts: number
}

export interface ImportsTable {
  id: string
  tenant_id: string
  connection_id: string
  status: Generated<ImportStatus>
  stay_from: Day | null
  stay_to: Day | null
  listings_read: Generated<boolean>
  pass: Generated<number>
  walk: Json<Walk>
  changed_in_pass: Generated<number>
  page_size: number
  total: number | null
  done: Generated<number>
  created: Generated<number>
  updated: Generated<number>
  unchanged: Generated<number>
  waiting: Generated<number>
  failed: Generated<number>
  rows_per_second: number | null
  attempts: Generated<number>
  last_error: string | null
  created_at: GeneratedTimestamp
  started_at: Timestamp | null
  page_at: Timestamp | null
  finished_at: Timestamp | null
}

export interface ReconcilesTable {
  connection_id: string
  watermark: Timestamp | null
  walk: Json<Walk> | null
  attempts: Generated<number>
  last_error: string | null
}

export interface ReservationFetchesTable {
  connection_id: string
  external_id: string
  tenant_id: string
  attempts: Generated<number>
  requested_at: GeneratedTimestamp
}

/** Which polling of a connection waits, and the lease of the worker that does it. */
export interface PollingLeasesTable {
  connection_id: string
  import_due_at: Timestamp | null
  reconcile_due_at: Timestamp | null
  fetch_due_at: Timestamp | null
  not_before: Timestamp | null
  due_at: ColumnType<Date | null, never, never>
  claimed_at: GeneratedTimestamp
  lease_until: Timestamp | null
  fence: ColumnType<string, string | undefined, string>
}

export type ImportRow = Selectable<ImportsTable>
export type ReconcileRow = Selectable<ReconcilesTable>
export type PollingLeaseRow = Selectable<PollingLeasesTable>
