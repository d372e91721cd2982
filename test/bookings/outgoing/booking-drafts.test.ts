import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { type Kysely, sql } from 'kysely'
import { up } from '../../../migrations/0012_booking_drafts.ts'
import { up as upWaiting } from '../../../migrations/0015_waiting_drafts.ts'
import { afterAll } from '../../support/after-all.ts'
import { bookedSystem, bookingBody } from '../../support/booked-system.ts'
import { inDays } from '../../support/desired-events.ts'
import { startTestSystem, type TestSystem } from '../../support/test-system.ts'

describe('a booking made in TVL is a draft of TVL’s', () => {
  const context = afterAll()
  let system: TestSystem
  let booked: ReturnType<typeof bookedSystem>

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    await system.connect()
    booked = bookedSystem(system)
  })

  const rowOf = (id: string) =>
    system.db
      .selectFrom('bookings')
      .select(['draft', 'source', 'external_id', 'field_versions'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()

  const draftOf = (id: string, arrivalDate: unknown, departureDate: unknown) => ({
    listingId: '400001',
    marker: `tvl-${id}`,
    currency: 'EUR',
    isCancelled: false,
    fields: {
      arrivalDate,
      departureDate,
      guestName: 'Ada Example',
      guestEmail: 'ada@example.com',
      phone: '+49 30 000000',
      numberOfGuests: 3,
      adults: 2,
      children: 1,
      totalPrice: '412.50',
      hostNote: 'arrives late',
    },
  })

  it('which has no source until Hostaway sends a body', async () => {
    const body = bookingBody(40)
    const { id } = await booked.book(body)
    const { draft, source, external_id } = await rowOf(id)
    assert.deepEqual([source, external_id], [null, `tvl-${id}`])
    assert.deepEqual(draft, draftOf(id, body.checkIn, body.checkOut))
  })

  it('also where an earlier release had such a body wait for a person', async () => {
    const body = bookingBody(60)
    const { id } = await booked.book(body)
    const { draft } = await rowOf(id)
    const { fields } = draft as { fields: Record<string, unknown> }
    const standIn = {
      id: `tvl-${id}`,
      listingMapId: '400001',
      status: 'new',
      isDatesUnspecified: 0,
      ...fields,
    }
    await sql`
      insert into hostaway_booking_queue
        (id, tenant_id, connection_id, external_id, status, problems, draft, source, version_kind, version_at)
      select gen_random_uuid(), tenant_id, connection_id, external_id, 'pending', '[]', '{}', ${JSON.stringify(standIn)},
        version_kind, version_at
      from bookings where id = ${id}
    `.execute(system.db)
    await upWaiting(system.db as unknown as Kysely<unknown>)
    const answer = await booked.patch(id, { checkOut: inDays(65) })
    assert.equal(answer.body.checkOut, inDays(65), answer.text)
  })

  it('also where an earlier release had stored a body in place of Hostaway’s', async () => {
    const { id } = await booked.book(bookingBody(50))
    const { draft } = await rowOf(id)
    const { fields } = draftOf(id, null, null)
    const body = {
      listingMapId: '400001',
      channelId: '2000',
      channelName: 'direct',
      status: 'new',
      isDatesUnspecified: 0,
      currency: 'EUR',
      ...fields,
    }
    await system.db.transaction().execute(async (trx) => {
      await sql`alter table bookings drop column draft`.execute(trx)
      await sql`
        update bookings set source = ${JSON.stringify(body)}::jsonb || jsonb_build_object('id', external_id,
          'customerUserId', external_id, 'arrivalDate', check_in, 'departureDate', check_out)
      `.execute(trx)
      await sql`alter table bookings alter column source set not null`.execute(trx)
      await up(trx as unknown as Kysely<unknown>)
    })
    const upgraded = await rowOf(id)
    assert.equal(upgraded.source, null)
    assert.deepEqual(upgraded.draft, draft)

    await system.startWorkers()
    const pushed = await booked.whenPushed(id)
    assert.match(pushed.externalId ?? '', /^\d+$/)
    assert.equal(pushed.guest.email, 'ada@example.com')
  })
})
