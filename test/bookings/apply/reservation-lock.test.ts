import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Kysely } from 'kysely'
import {
  type ApplyResult,
  applyReservation,
  type ReservationOwner,
} from '../../../src/bookings/apply/apply-reservation.ts'
import { findBookingOfReservation } from '../../../src/bookings/booking-store.ts'
import { parseReservation } from '../../../src/channels/hostaway/wire/wire-reservation.ts'
import { openDatabase } from '../../../src/platform/db/database.ts'
import type { Database } from '../../../src/platform/db/tables.ts'
import { holdingLock, waitingForLocks } from '../../support/advisory-locks.ts'
import { afterAll } from '../../support/after-all.ts'
import { eventually } from '../../support/eventually.ts'
import { type Fields, newReservation, versionAt } from '../../support/reservation-bodies.ts'
import { startTestSystem } from '../../support/test-system.ts'

const context = afterAll()
const system = await startTestSystem(context, { workers: false })
const { id } = await system.connect()
const tenant = await system.db.selectFrom('tenants').selectAll().executeTakeFirstOrThrow()
const owner: ReservationOwner = {
  id,
  tenantId: tenant.id,
  tenantSlug: tenant.slug,
  channel: 'hostaway',
  autoImport: true,
}

/** A pool of its own, as another process has. */
function anotherProcess(): Kysely<Database> {
  const db = openDatabase({
    url: system.config.DATABASE_URL,
    maxConnections: atOnce,
    applicationName: 'racer',
  })
  context.after(() => db.destroy())
  return db
}

const atOnce = 10
const processes = [anotherProcess(), anotherProcess()] as const

function apply(db: Kysely<Database>, body: Fields): Promise<ApplyResult> {
  const { reservation } = parseReservation(body)
  assert.ok(reservation?.updatedOn)
  const version = { kind: 'source' as const, at: reservation.updatedOn, fetchedAt: null }
  return applyReservation(db, { connection: owner, reservation, version, webhook: null })
}

async function stored(reservationId: number) {
  return findBookingOfReservation(system.db, { connectionId: id, externalId: String(reservationId) })
}

it('while the first version of a new reservation is being written, the second one waits for it', async () => {
  const older = newReservation({ updatedOn: versionAt(0), guestName: 'Older' })
  const newer = { ...older, listingMapId: 400002, updatedOn: versionAt(1), guestName: 'Newer' }
  const done: string[] = []
  // Stops the older version after it has read that nothing is stored, and before it writes.
  const both = await holdingLock(system.db, `unit:${tenant.id}:hostaway-400001`, async () => {
    const first = apply(processes[0], older).then(() => done.push('older'))
    await eventually(async () => assert.equal(await waitingForLocks(system.db), 1), { intervalMs: 5 })
    const second = apply(processes[1], newer).then(() => done.push('newer'))
    await eventually(
      async () => assert.ok(done.includes('newer') || (await waitingForLocks(system.db)) === 2),
      {
        intervalMs: 5,
      },
    )
    return [first, second]
  })
  await Promise.all(both)
  assert.deepEqual(done, ['older', 'newer'])
  assert.equal((await stored(older.id))?.guest_name, 'Newer')
})

it('creation and update of many new reservations at once, from two processes, end in the update', async () => {
  const pairs = Array.from({ length: 80 }, (_, index) => {
    const older = newReservation({
      updatedOn: versionAt(0),
      arrivalDate: `2030-01-01`,
      departureDate: `2030-01-0${2 + (index % 7)}`,
    })
    return { older, newer: { ...older, status: 'cancelled', updatedOn: versionAt(1) } }
  })
  for (let start = 0; start < pairs.length; start += atOnce) {
    await Promise.all(
      pairs
        .slice(start, start + atOnce)
        .flatMap(({ older, newer }, index) =>
          index % 2 === 0
            ? [apply(processes[0], older), apply(processes[1], newer)]
            : [apply(processes[0], newer), apply(processes[1], older)],
        ),
    )
  }
  for (const { older } of pairs) assert.equal((await stored(older.id))?.status, 'cancelled')
  const { blocks } = await system.db
    .selectFrom('availability_blocks')
    .select((eb) => eb.fn.countAll<string>().as('blocks'))
    .where('first_night', '=', '2030-01-01')
    .executeTakeFirstOrThrow()
  assert.equal(blocks, '0')
})

it('events of one reservation lie in the outbox in the order in which they became true', async () => {
  const first = newReservation({ updatedOn: versionAt(0), listingMapId: 400005 })
  const versions = Array.from({ length: 20 }, (_, index) => ({
    ...first,
    totalPrice: index + 1,
    updatedOn: versionAt(index),
  }))
  await Promise.all(versions.map((body, index) => apply(processes[index % 2 === 0 ? 0 : 1], body)))
  const rows = await system.db
    .selectFrom('event_outbox')
    .select('data')
    .where('subject', '=', `reservation:${id}:${first.id}`)
    .where('type', 'in', ['booking.created', 'booking.updated'])
    .orderBy('transaction_id')
    .orderBy('id')
    .execute()
  const heard = rows.map(
    ({ data }) => (data as { booking: { sourceUpdatedAt: string } }).booking.sourceUpdatedAt,
  )
  assert.deepEqual(heard, heard.toSorted())
  assert.equal((await stored(first.id))?.amount_minor, '2000')
})
