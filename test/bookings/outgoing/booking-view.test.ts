import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { sql } from 'kysely'
import { bookedSystem, bookingBody } from '../../support/booked-system.ts'
import { eventually } from '../../support/eventually.ts'
import { startTestSystem } from '../../support/test-system.ts'

const system = await startTestSystem({ after }, { workers: false })
await system.connect({ autoImport: false })
const booked = bookedSystem(system)

it('shows no booking as pushed without the answer of Hostaway, though it changes while it is read', async () => {
  const made = await booked.book(bookingBody(10))
  const shown = await system.db.transaction().execute(async (trx) => {
    // The reader of the booking now waits before its push, and meanwhile both become newer.
    await sql`lock table booking_pushes in access exclusive mode`.execute(trx)
    const reading = booked.show(made.id)
    await eventually(async () => {
      const { rows } = await sql`
        select 1 from pg_locks where not granted and relation = 'booking_pushes'::regclass
      `.execute(system.db)
      assert.notEqual(rows.length, 0)
    })
    await trx.updateTable('bookings').set({ external_id: '900001' }).where('id', '=', made.id).execute()
    await trx
      .updateTable('booking_pushes')
      .set({ waiting_since: null })
      .where('booking_id', '=', made.id)
      .execute()
    return { reading }
  })
  const { externalId, push } = await shown.reading
  assert.deepEqual({ externalId, status: push?.status }, { externalId: null, status: 'pending' })
  const now = await booked.show(made.id)
  assert.deepEqual(
    { externalId: now.externalId, status: now.push?.status },
    { externalId: '900001', status: 'done' },
  )
})
