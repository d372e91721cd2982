import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { type CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import { findQueuedReservations, listQueuedReservations } from '../../src/approvals/approval-store.ts'
import { findBlocks, findOverbooked, listBlocksOfUnit } from '../../src/bookings/block-store.ts'
import {
  findBookingOfReservation,
  findBookingsOfReservations,
  listBookings,
} from '../../src/bookings/booking-store.ts'
import { findConnection } from '../../src/connections/connection-store.ts'
import { openPool } from '../../src/db/database.ts'
import type { Database } from '../../src/db/tables.ts'
import {
  countOpenDeadLetters,
  findOpenDeadLetterOf,
  listDeadLetters,
} from '../../src/dead-letters/dead-letter-store.ts'
import { pruneWebhooksAfter } from '../../src/inbound/retention-store.ts'
import {
  findWebhooksToEnqueue,
  listWebhooks,
  listWebhooksOfReservation,
  longestSilenceSeconds,
  oldestUnprocessedSeconds,
} from '../../src/inbound/webhook-log.ts'
import { listEventsOfSubject, readEvents } from '../../src/outbox/outbox-store.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { fillLargeDatabase } from './large-database.ts'

type Plan = {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: Plan[]
}

// Tables of a handful of rows are best read as a whole.
const smallTables = new Set(['tenants', 'hostaway_connections', 'listings'])
const mostRowsTouched = 1_500

const cleanUps: Array<() => Promise<void>> = []
after(async () => {
  for (const cleanUp of cleanUps) await cleanUp()
})
const url = await createTestDatabase({ after: (cleanUp) => cleanUps.unshift(cleanUp) })
const pool = openPool({ url, maxConnections: 2, applicationName: 'query-plans' })
const asked: CompiledQuery[] = []
const db = new Kysely<Database>({
  dialect: new PostgresDialect({ pool }),
  log: ({ level, query }) => {
    if (level === 'query') asked.push(query)
  },
})
cleanUps.unshift(() => db.destroy())
const { busy, quiet } = await fillLargeDatabase(db)
const [someId] = await db
  .selectFrom('webhook_logs')
  .select('id')
  .orderBy('id')
  .offset(50_000)
  .limit(1)
  .execute()

const { tenantId, connectionId } = busy
const tenant = { tenantId, limit: 50 }
const all = { tenantId: undefined, limit: 50 }
const reservation = { connectionId, externalId: '777' }
const aMinuteAgo = new Date(Date.now() - 60_000)

const manyReservations = Array.from({ length: 32 }, (_, index) => ({
  connectionId,
  externalId: String(1_000 + index * 7),
}))

const questions: Record<string, () => Promise<unknown>> = {
  'the sweep': () => findWebhooksToEnqueue(db, { neverEnqueuedForMs: 0, enqueuedForMs: 0, limit: 500 }),
  'the oldest unprocessed webhook': () => oldestUnprocessedSeconds(db),
  'the longest silence': () => longestSilenceSeconds(db),
  'a connection with its last webhook': () => findConnection(db, connectionId),
  'a quiet connection with its last webhook': () => findConnection(db, quiet.connectionId),
  'webhooks of a tenant': () => listWebhooks(db, { ...tenant, before: someId?.id }),
  'webhooks of a quiet tenant': () => listWebhooks(db, { ...quiet, limit: 50, before: undefined }),
  'webhooks of all': () => listWebhooks(db, { ...all, before: someId?.id }),
  'failed webhooks of a tenant': () => listWebhooks(db, { ...tenant, status: 'failed', before: undefined }),
  'waiting webhooks of a tenant': () =>
    listWebhooks(db, { ...tenant, status: 'received', before: undefined }),
  'webhooks of a reservation': () => listWebhooks(db, { ...tenant, externalId: '777', before: undefined }),
  'webhooks of a reservation, of all': () =>
    listWebhooks(db, { ...all, externalId: '777', before: undefined }),
  'webhooks of a quiet connection, of all': () =>
    listWebhooks(db, { ...all, connectionId: quiet.connectionId, before: undefined }),
  'failed webhooks of a connection, of all': () =>
    listWebhooks(db, { ...all, connectionId, status: 'failed', before: undefined }),
  'the webhooks of a timeline': () => listWebhooksOfReservation(db, { ...reservation, limit: 200 }),
  'the events of a timeline': () =>
    listEventsOfSubject(db, { tenantId, subject: `reservation:${connectionId}:777`, limit: 200 }),
  'the feed of a tenant': () => readEvents(db, { ...tenant, after: '100-1' }),
  'the feed of all': () => readEvents(db, { ...all, after: '100-1' }),
  'the feed from its start': () => readEvents(db, { ...all, after: undefined }),
  'the booking of a reservation': () => findBookingOfReservation(db, reservation),
  'the waiting row of a reservation': () => findQueuedReservations(db, [reservation]),
  'bookings of a tenant': () => listBookings(db, { ...tenant, after: undefined }),
  'bookings of all': () => listBookings(db, { ...all, after: undefined }),
  'bookings by reservation': () => listBookings(db, { ...tenant, externalId: '777', after: undefined }),
  'bookings by reservation, of all': () => listBookings(db, { ...all, externalId: '777', after: undefined }),
  'bookings of a unit': () => listBookings(db, { ...tenant, unitId: 'hostaway-7', after: undefined }),
  'bookings of a unit in a month': () =>
    listBookings(db, {
      ...tenant,
      unitId: 'hostaway-7',
      from: '2025-06-01',
      to: '2025-06-30',
      after: undefined,
    }),
  'bookings changed lately': () =>
    listBookings(db, { ...tenant, updatedAfter: aMinuteAgo, after: undefined }),
  'bookings of a connection': () => listBookings(db, { ...tenant, connectionId, after: undefined }),
  'cancelled bookings of a tenant': () =>
    listBookings(db, { ...tenant, status: 'cancelled', after: undefined }),
  'an overlap': () =>
    findOverbooked(db as unknown as Parameters<typeof findOverbooked>[0], [
      {
        tenantId,
        unitId: 'hostaway-7',
        firstNight: '2025-06-01',
        departure: '2025-06-05',
        capacity: 1,
        externalId: '777',
      },
    ]),
  'the calendar of a unit': () =>
    listBlocksOfUnit(db, { tenantId, unitId: 'hostaway-7', from: '2025-06-01', to: '2025-06-30' }),
  'what waits for a person': () =>
    listQueuedReservations(db, { ...tenant, status: 'pending', after: undefined }),
  'the whole booking queue': () => listQueuedReservations(db, { ...tenant, after: undefined }),
  'open dead letters of a tenant': () => listDeadLetters(db, { ...tenant, status: 'open' }),
  'open dead letters of all': () => listDeadLetters(db, { ...all, status: 'open' }),
  'all dead letters of a tenant': () => listDeadLetters(db, tenant),
  'how many dead letters are open': () => countOpenDeadLetters(db),
  'the open dead letter of a webhook': () => findOpenDeadLetterOf(db, someId?.id ?? ''),
  'the bookings of many reservations': () => findBookingsOfReservations(db, manyReservations),
  'the waiting rows of many reservations': () => findQueuedReservations(db, manyReservations),
  'the blocks of many reservations': () => findBlocks(db, manyReservations),
  'the pruning': () => pruneWebhooksAfter(db, { after: undefined, before: new Date(), limit: 500 }),
}

for (const [question, ask] of Object.entries(questions)) {
  it(`${question}: answered through an index, without reading a table`, async () => {
    asked.length = 0
    await ask()
    assert.ok(asked.length > 0)
    for (const { sql: text, parameters } of [...asked]) {
      const { rows } = await pool.query(`explain (analyze, format json) ${text}`, [...parameters])
      const plan: Plan = rows[0]['QUERY PLAN'][0].Plan
      const steps = stepsOf(plan)
      const scans = steps.filter(
        (step) => step['Node Type'] === 'Seq Scan' && !smallTables.has(step['Relation Name'] ?? ''),
      )
      const shown = `${text}\n${outline(plan)}`
      assert.deepEqual(
        scans.map((step) => step['Relation Name']),
        [],
        shown,
      )
      for (const step of steps) assert.ok(touched(step) <= mostRowsTouched, shown)
    }
  })
}

function stepsOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(stepsOf)]
}

function touched(step: Plan): number {
  return (step['Actual Rows'] + (step['Rows Removed by Filter'] ?? 0)) * step['Actual Loops']
}

function outline(plan: Plan, indent = ''): string {
  const index = 'Index Name' in plan ? ` ${plan['Index Name']}` : ''
  const line = `${indent}${plan['Node Type']} ${plan['Relation Name'] ?? ''}${index} ${touched(plan)} rows`
  return [line, ...(plan.Plans ?? []).map((inner) => outline(inner, `${indent}  `))].join('\n')
}
