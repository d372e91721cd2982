import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import {
  findQueuedReservations,
  findReleasedReservations,
  findReservationsToImport,
  listQueuedReservations,
  moveDrafts,
} from '../../../src/bookings/approval-store.ts'
import {
  findBlocks,
  findBlocksToMove,
  findOverbooked,
  listBlocksOfUnits,
} from '../../../src/bookings/block-store.ts'
import {
  findBookingOfReservation,
  findBookingsOfReservations,
  listBookings,
} from '../../../src/bookings/booking-store.ts'
import {
  bookingLeases,
  claimBooking,
  findPushes,
  listPushSteps,
} from '../../../src/bookings/outgoing/push-store.ts'
import { findTakenNights } from '../../../src/bookings/outgoing/taken-nights-store.ts'
import { listRecentReservations } from '../../../src/bookings/remap/recent-reservations-store.ts'
import { nextReservations } from '../../../src/bookings/remap/remap-store.ts'
import { findActivities } from '../../../src/connections/connection-activity-store.ts'
import { readHabit } from '../../../src/connections/connection-status-store.ts'
import {
  countOpenDeadLetters,
  findOpenDeadLetterOf,
  listDeadLetters,
} from '../../../src/dead-letters/dead-letter-store.ts'
import { listEventsOfSubject, readEvents } from '../../../src/outbox/outbox-store.ts'
import { countWaitingWebhooks, findWaitingWebhooks } from '../../../src/webhooks/parked-webhook-store.ts'
import { pruneWebhooksAfter } from '../../../src/webhooks/prune-webhooks.ts'
import {
  endQueuedWebhooks,
  findWebhooksToEnqueue,
  listWebhooks,
  listWebhooksOfReservation,
  longestSilenceSeconds,
  oldestUnprocessedSeconds,
} from '../../../src/webhooks/webhook-log.ts'
import { fillLargeDatabase } from '../../support/large-database.ts'
import { observePlans, type Plan, stepsOf, touched } from '../../support/observed-plans.ts'

// Tables of a handful of rows are best read as a whole.
const smallTables = new Set(['tenants', 'hostaway_connections', 'listings', 'imports'])
const maxRowsTouched = 1_500

const { db, plansOf } = await observePlans({ after }, 'query-plans')
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

const moving = { connectionId, listingId: '7', unitId: 'another', today: '2025-06-01' }
const transaction = db as unknown as Parameters<typeof findOverbooked>[0]

const manyReservations = Array.from({ length: 32 }, (_, index) => ({
  connectionId,
  externalId: String(1_000 + index * 7),
}))

const [someBooking] = await db
  .selectFrom('bookings')
  .select('id')
  .where('connection_id', '=', connectionId)
  .limit(1)
  .execute()
const bookingId = someBooking?.id ?? ''
const [someListing] = await db
  .selectFrom('listings')
  .selectAll()
  .where('connection_id', '=', connectionId)
  .limit(1)
  .execute()

const questions: Record<string, () => Promise<unknown>> = {
  'the sweep': () => findWebhooksToEnqueue(db, { neverEnqueuedForMs: 0, enqueuedForMs: 0, limit: 500 }),
  'the oldest unprocessed webhook': () => oldestUnprocessedSeconds(db),
  'the longest silence': () => longestSilenceSeconds(db),
  'a connection with its last webhook': () => findActivities(db, [connectionId]),
  'a quiet connection with its last webhook': () => findActivities(db, [quiet.connectionId]),
  'the habit of a connection': () => readHabit(db, { id: connectionId, tenantId }),
  'the habit of a quiet connection': () =>
    readHabit(db, { id: quiet.connectionId, tenantId: quiet.tenantId }),
  'what waits for a connection': () => countWaitingWebhooks(db, { tenantId, connectionId }),
  'what is offered when a connection goes on': () => findWaitingWebhooks(db, connectionId, 500),
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
    listBookings(db, { ...tenant, statuses: ['cancelled'], after: undefined }),
  'the next arrivals of a tenant': () =>
    listBookings(db, { ...tenant, arrivalFrom: '2025-06-01', sort: 'checkIn', after: undefined }),
  'the last changes of a tenant': () => listBookings(db, { ...tenant, sort: '-updatedAt', after: undefined }),
  'the newest bookings of a tenant': () =>
    listBookings(db, { ...tenant, sort: '-createdAt', after: undefined }),
  'bookings by code': () => listBookings(db, { ...tenant, confirmationCode: 'HMX', after: undefined }),
  'an overlap': () =>
    findOverbooked(transaction, [
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
    listBlocksOfUnits(db, { tenantId, unitIds: ['hostaway-7'], from: '2025-06-01', to: '2025-06-30' }),
  'the nights of a stay that are taken': async () => {
    assert.ok(someListing)
    await findTakenNights(db as unknown as Parameters<typeof findTakenNights>[0], {
      tenantId,
      unitId: 'hostaway-7',
      listing: someListing,
      checkIn: '2025-06-01',
      checkOut: '2025-06-05',
      ownId: null,
    })
  },
  'the booking to push next': () => claimBooking(db, connectionId, 0),
  'when bookings may be pushed': () => bookingLeases.wakeTimes(db, [connectionId]),
  'bookings whose job got lost': () => bookingLeases.overdueConnections(db, { overdueMs: 0, limit: 500 }),
  'the state of the pushes of bookings': () => findPushes(db, [bookingId]),
  'the steps of a timeline': () => listPushSteps(db, { bookingId, limit: 200 }),
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
  'the next reservations of a remap': () =>
    nextReservations(db, { connection_id: connectionId, after_external_id: '5' }, 50),
  'the reservations that changed last': () => listRecentReservations(db, { id: connectionId, tenantId }, 100),
  'what waits for a listing': () =>
    findReleasedReservations(db, { listing: { connectionId, listingId: '7' }, limit: 200 }),
  'what waits for any listing': () => findReleasedReservations(db, { listing: undefined, limit: 200 }),
  'what needs no yes any more': () => findReservationsToImport(db, { limit: 200 }),
  'the stays that move with a listing': () => findBlocksToMove(db, moving),
  'the drafts that move with a listing': () => moveDrafts(transaction, moving),
  'the webhooks of a reservation that waited': () =>
    endQueuedWebhooks(transaction, [{ ...reservation, newest: null }]),
  'the pruning': () => pruneWebhooksAfter(db, { after: undefined, before: new Date(), limit: 500 }),
}

for (const [question, ask] of Object.entries(questions)) {
  it(`${question}: answered through an index, without reading a table`, async () => {
    const plans = await plansOf(ask)
    assert.ok(plans.length > 0)
    for (const { text, plan } of plans) {
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
      for (const step of steps) assert.ok(touched(step) <= maxRowsTouched, shown)
    }
  })
}

function outline(plan: Plan, indent = ''): string {
  const index = plan['Index Name'] === undefined ? '' : ` ${plan['Index Name']}`
  const line = `${indent}${plan['Node Type']} ${plan['Relation Name'] ?? ''}${index} ${touched(plan)} rows`
  return [line, ...(plan.Plans ?? []).map((inner) => outline(inner, `${indent}  `))].join('\n')
}
