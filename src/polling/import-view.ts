import { type Static, Type } from 'typebox'
import type { ImportRow } from '../platform/db/history-tables.ts'

const time = Type.Union([Type.String(), Type.Null()])
const day = Type.Union([Type.String(), Type.Null()])
const count = (description: string) => Type.Integer({ description })

export const ImportStatusView = Type.Enum(['running', 'completed', 'failed', 'cancelled'])

export const ImportView = Type.Object(
  {
    id: Type.String(),
    connectionId: Type.String(),
    status: ImportStatusView,
    step: Type.Enum(['listings', 'history', 'changes'], {
      description:
        'What it reads, or read last: the listings, the reservations, or what changed while it read those.',
    }),
    from: day,
    to: day,
    done: count(
      'Reservations read so far. One that changes before it is read is read, and counted, at the end.',
    ),
    total: Type.Union([Type.Integer(), Type.Null()], {
      description: 'How many reservations the channel counts; null until it has answered.',
    }),
    created: count('Became bookings.'),
    updated: count('Changed bookings that were there.'),
    unchanged: count('Were here already in that version or a newer one.'),
    waiting: count('Wait in the booking queue for a person.'),
    failed: count('Could not be read or applied; each has a dead letter.'),
    ratePerSecond: Type.Union([Type.Number(), Type.Null()], {
      description: 'Reservations per second: recently while it runs, over all of it afterwards.',
    }),
    estimatedEndAt: time,
    attempts: count('Failures in a row; the next page that succeeds sets it to 0.'),
    lastError: Type.Union([Type.String(), Type.Null()]),
    createdAt: Type.String(),
    startedAt: time,
    finishedAt: time,
  },
  { title: 'Import' },
)

/** An import as the API shows it; `now` is what the estimate counts from. */
export function toImportView(row: ImportRow, now: Date): Static<typeof ImportView> {
  const ratePerSecond = rateOf(row)
  return {
    id: row.id,
    connectionId: row.connection_id,
    status: row.status,
    step: stepOf(row),
    from: row.stay_from,
    to: row.stay_to,
    done: row.done,
    total: row.total,
    created: row.created,
    updated: row.updated,
    unchanged: row.unchanged,
    waiting: row.waiting,
    failed: row.failed,
    ratePerSecond,
    estimatedEndAt: estimate(row, ratePerSecond, now),
    attempts: row.attempts,
    lastError: row.last_error,
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
  }
}

function stepOf({ listings_read, pass }: ImportRow): 'listings' | 'history' | 'changes' {
  if (!listings_read) return 'listings'
  return pass === 0 ? 'history' : 'changes'
}

function rateOf({ status, rows_per_second, done, started_at, finished_at }: ImportRow): number | null {
  if (status === 'running' || started_at === null || finished_at === null) return rounded(rows_per_second)
  const seconds = (finished_at.getTime() - started_at.getTime()) / 1_000
  return seconds > 0 ? rounded(done / seconds) : rounded(rows_per_second)
}

function rounded(rate: number | null): number | null {
  return rate === null ? null : Math.round(rate * 10) / 10
}

function estimate({ status, done, total }: ImportRow, rate: number | null, now: Date): string | null {
  if (status !== 'running' || total === null || rate === null || rate === 0) return null
  return new Date(now.getTime() + (Math.max(0, total - done) / rate) * 1_000).toISOString()
}
