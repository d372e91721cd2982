import type { ColumnType, Generated, Selectable } from 'kysely'

type Timestamp = ColumnType<Date, Date | string, Date | string>
type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>
type Json<Read> = ColumnType<Read, string, string>

export type RemapStatus = 'running' | 'completed' | 'cancelled'

export interface MappingSpecsTable {
  connection_id: string
  version: number
  tenant_id: string
  spec: Json<unknown>
  created_at: GeneratedTimestamp
}

export interface BookingRemapsTable {
  id: string
  tenant_id: string
  connection_id: string
  mapping_version: number
  status: Generated<RemapStatus>
  after_external_id: Generated<string>
  total: number
  done: Generated<number>
  changed: Generated<number>
  waiting: Generated<number>
  failed: Generated<number>
  last_error: string | null
  created_at: GeneratedTimestamp
  updated_at: GeneratedTimestamp
  finished_at: Timestamp | null
}

export type MappingSpecRow = Selectable<MappingSpecsTable>
export type BookingRemapRow = Selectable<BookingRemapsTable>
