import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { sql } from 'kysely'
import { eventually } from '../../support/eventually.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { newReservation, versionAt } from '../../support/reservation-bodies.ts'
import { sandboxAccount } from '../../support/test-system.ts'

const { accountId } = sandboxAccount

describe('with automatic import', async () => {
  const {
    system,
    connection: _connection,
    ...inbound
  } = await startObserved({ after }, { upkeepTimes: { releaseEveryMs: 200 } })

  it('a listing that is new is fetched once and mapped, and the booking follows', async () => {
    const { listing } = await system.control.addListing(accountId, { name: 'Treehouse', units: 2 })
    const bodies = Array.from({ length: 4 }, () => newReservation({ listingMapId: listing.id }))
    await Promise.all(bodies.map((body) => inbound.send(body)))
    for (const { id } of bodies) {
      assert.equal((await inbound.booking(id)).unitId, `hostaway-${listing.id}`)
    }
    const stored = await system.db
      .selectFrom('listings')
      .select('unit_count')
      .where('listing_id', '=', String(listing.id))
      .executeTakeFirst()
    assert.equal(stored?.unit_count, 2)
  })

  it('a listing that Hostaway does not know leaves a row with its reason and holds the nights', async () => {
    const body = newReservation({ listingMapId: 499999 })
    const webhook = await inbound.send(body)
    assert.deepEqual([webhook.status, webhook.outcome], ['queued', 'waiting'])
    const row = await inbound.queued(body.id)
    assert.equal(row?.status, 'pending')
    assert.equal(row?.webhook_id, webhook.id)
    assert.deepEqual(
      row?.problems.map(({ field, code }) => [field, code]),
      [['listingMapId', 'unknown_listing']],
    )
    assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')
    assert.deepEqual(await inbound.eventTypes(body.id), ['availability.blocked'])
  })

  it('an amount that a number in JSON would falsify waits under its name', async () => {
    const largest = newReservation({ totalPrice: '90071992547409.91' })
    await inbound.send(largest)
    assert.equal((await inbound.booking(largest.id)).amount.minor, Number.MAX_SAFE_INTEGER)
    const body = newReservation({ totalPrice: '90071992547409.92' })
    assert.equal((await inbound.send(body)).status, 'queued')
    assert.deepEqual(
      (await inbound.queued(body.id))?.problems.map(({ field, code }) => [field, code]),
      [['totalPrice', 'not_an_amount']],
    )
  })

  it('what waited for a listing becomes a booking by itself once the listing is there', async () => {
    const listingId = 450001
    const body = newReservation({ listingMapId: listingId })
    assert.equal((await inbound.send(body)).outcome, 'waiting')
    await system.control.addListing(accountId, { id: listingId, name: 'Houseboat' })
    await system.connect()
    await eventually(async () =>
      assert.equal((await inbound.booking(body.id)).unitId, `hostaway-${listingId}`),
    )
    assert.equal((await inbound.queued(body.id))?.status, 'imported')
    assert.equal((await inbound.block(body.id))?.unit_id, `hostaway-${listingId}`)
  })

  it('one that cannot be stored holds up no other that waits, and shows why it failed', async () => {
    const unstorable = 66
    await sql`
      create function refuse_guests() returns trigger language plpgsql as $$
      begin
        if new.guests_total = ${sql.lit(unstorable)} then raise exception 'no such guests'; end if;
        return new;
      end $$
    `.execute(system.db)
    await sql`
      create trigger refuse before insert or update on bookings for each row execute function refuse_guests()
    `.execute(system.db)
    const listingId = 450003
    const spoilt = newReservation({
      listingMapId: listingId,
      numberOfGuests: unstorable,
      updatedOn: versionAt(0),
    })
    const sound = newReservation({ listingMapId: listingId })
    for (const body of [spoilt, sound]) assert.equal((await inbound.send(body)).outcome, 'waiting')
    await system.control.addListing(accountId, { id: listingId, name: 'Windmill' })
    await system.connect()
    await eventually(async () => {
      assert.equal((await inbound.booking(sound.id)).unitId, `hostaway-${listingId}`)
      const row = await inbound.queued(spoilt.id)
      assert.deepEqual(
        [row?.status, row?.problems.map(({ code, message }) => [code, message])],
        ['failed', [['not_stored', 'no such guests']]],
      )
    })
    await inbound.send({ ...spoilt, numberOfGuests: 3, updatedOn: versionAt(1) })
    assert.equal((await inbound.booking(spoilt.id)).guests.total, 3)
    assert.equal((await inbound.queued(spoilt.id))?.status, 'imported')
  })

  it('the same body again releases what waits for nothing any more', async () => {
    const listingId = 450002
    const body = newReservation({ listingMapId: listingId })
    await system.control.injectFault({ kind: 'status', status: 404, path: `/listings/${listingId}` })
    assert.equal((await inbound.send(body)).outcome, 'waiting')
    await system.control.clearFaults()
    await system.control.addListing(accountId, { id: listingId, name: 'Lighthouse' })
    assert.equal((await inbound.send(body)).outcome, 'created')
    assert.equal((await inbound.block(body.id))?.unit_id, `hostaway-${listingId}`)
  })

  it('missing dates are named, each, and nothing is held', async () => {
    const body = newReservation({ arrivalDate: null, departureDate: undefined })
    await inbound.send(body)
    assert.deepEqual(
      (await inbound.queued(body.id))?.problems.map(({ field }) => field),
      ['arrivalDate', 'departureDate'],
    )
    assert.equal(await inbound.nights(body.id), undefined)
    assert.deepEqual(await inbound.bookings(body.id), [])
  })

  it('a departure before the arrival and a day that no calendar has are problems', async () => {
    const backwards = newReservation({ arrivalDate: '2027-05-07', departureDate: '2027-05-07' })
    const impossible = newReservation({ arrivalDate: '2027-02-30' })
    await Promise.all([inbound.send(backwards), inbound.send(impossible)])
    const codes = async (id: number) => (await inbound.queued(id))?.problems.map(({ code }) => code)
    assert.deepEqual(await codes(backwards.id), ['not_after_arrival'])
    assert.deepEqual(await codes(impossible.id), ['not_a_day'])
  })

  it('a booking whose update cannot be mapped stays, and a row waits until a later one can', async () => {
    const body = newReservation({ updatedOn: versionAt(0), listingMapId: 400002 })
    await inbound.send(body)
    await inbound.send({ ...body, status: 'bewitched', totalPrice: 1, updatedOn: versionAt(1) })
    const booking = await inbound.booking(body.id)
    assert.deepEqual([booking.status, booking.amount.minor], ['confirmed', 41_250])
    assert.equal((await inbound.queued(body.id))?.status, 'pending')
    assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')

    await inbound.send({ ...body, status: 'modified', totalPrice: 2, updatedOn: versionAt(2) })
    assert.equal((await inbound.booking(body.id)).amount.minor, 200)
    const row = await inbound.queued(body.id)
    assert.deepEqual([row?.status, row?.problems], ['imported', []])
  })

  it('a cancellation takes effect even when nothing else of the body can be used', async () => {
    const body = newReservation({ updatedOn: versionAt(0), listingMapId: 400002 })
    await inbound.send(body)
    const webhook = await inbound.send({
      ...body,
      status: 'cancelled',
      listingMapId: 499998,
      arrivalDate: 'soon',
      totalPrice: 'much',
      updatedOn: versionAt(1),
    })
    assert.deepEqual([webhook.status, webhook.outcome], ['processed', 'cancelled'])
    const booking = await inbound.booking(body.id)
    assert.deepEqual(
      [booking.status, booking.unitId, booking.checkIn, booking.amount.minor],
      ['cancelled', 'hostaway-400002', '2027-05-03', 41_250],
    )
    assert.equal(await inbound.nights(body.id), undefined)
    assert.deepEqual((await inbound.eventTypes(body.id)).slice(-2), [
      'booking.cancelled',
      'availability.released',
    ])
  })

  it('a cancellation of a reservation that waited withdraws it and frees the nights', async () => {
    const body = newReservation({ updatedOn: versionAt(0), listingMapId: 499997 })
    await inbound.send(body)
    const webhook = await inbound.send({ ...body, status: 'cancelled', updatedOn: versionAt(1) })
    assert.deepEqual([webhook.status, webhook.outcome], ['processed', 'withdrawn'])
    assert.equal((await inbound.queued(body.id))?.status, 'withdrawn')
    assert.equal(await inbound.nights(body.id), undefined)
    assert.deepEqual(await inbound.eventTypes(body.id), ['availability.blocked', 'availability.released'])
    assert.deepEqual(await inbound.bookings(body.id), [])
  })

  it('an older version does not bring back what was withdrawn', async () => {
    const body = newReservation({ updatedOn: versionAt(5), status: 'cancelled', listingMapId: 499996 })
    await inbound.send(body)
    const webhook = await inbound.send({ ...body, status: 'new', updatedOn: versionAt(1) })
    assert.equal(webhook.outcome, 'older')
    assert.equal(await inbound.nights(body.id), undefined)
  })
})

describe('without automatic import', async () => {
  const { connection: _connection, ...inbound } = await startObserved(
    { after },
    { connection: { autoImport: false } },
  )

  it('a complete reservation waits for a yes and blocks its nights meanwhile', async () => {
    const body = newReservation({ updatedOn: versionAt(0) })
    const webhook = await inbound.send(body, 'reservation.created')
    assert.equal(webhook.status, 'queued')
    const row = await inbound.queued(body.id)
    assert.deepEqual([row?.status, row?.problems], ['mapped', []])
    assert.partialDeepStrictEqual(row?.draft, { unitId: 'hostaway-400001', checkIn: '2027-05-03' })
    assert.deepEqual(await inbound.bookings(body.id), [])
    assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')

    await inbound.send({ ...body, departureDate: '2027-05-10', updatedOn: versionAt(1) })
    assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-10')
    await inbound.send({ ...body, status: 'declined', updatedOn: versionAt(2) })
    assert.equal((await inbound.queued(body.id))?.status, 'withdrawn')
    assert.equal(await inbound.nights(body.id), undefined)
    await inbound.send({ ...body, status: 'new', updatedOn: versionAt(3) })
    assert.equal((await inbound.queued(body.id))?.status, 'mapped')
    assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')
  })

  it('one that is incomplete is pending, and mapped once it is complete', async () => {
    const body = newReservation({ departureDate: null, updatedOn: versionAt(0) })
    await inbound.send(body)
    assert.equal((await inbound.queued(body.id))?.status, 'pending')
    await inbound.send({ ...body, departureDate: '2027-05-08', updatedOn: versionAt(1) })
    assert.equal((await inbound.queued(body.id))?.status, 'mapped')
  })
})

describe('without automatic mapping of listings', async () => {
  const {
    system,
    connection: _connection,
    ...inbound
  } = await startObserved({ after }, { connection: { autoMapListings: false } })

  it('a listing without a unit, or one that is not known, waits; nothing is fetched', async () => {
    const known = newReservation()
    const { listing } = await system.control.addListing(accountId, { name: 'Treehouse' })
    const unknown = newReservation({ listingMapId: listing.id })
    await system.control.clearCalls()
    await Promise.all([inbound.send(known), inbound.send(unknown)])
    const codes = async (id: number) => (await inbound.queued(id))?.problems.map(({ code }) => code)
    assert.deepEqual(await codes(known.id), ['unmapped_listing'])
    assert.deepEqual(await codes(unknown.id), ['unknown_listing'])
    assert.equal((await inbound.block(known.id))?.listing_id, '400001')
    assert.deepEqual(await system.control.calls(), [])
  })
})
