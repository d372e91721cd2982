import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import fc from 'fast-check'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, newReservationId, versionAt } from '../../support/reservation-bodies.ts'
import { sandboxAccount } from '../../support/test-system.ts'

const { system, connection: _connection, ...inbound } = await startObserved({ after })
const { accountId } = sandboxAccount

it('a field that is left out keeps what is stored, a null clears it', async () => {
  const { id } = await sent(newReservation({ updatedOn: versionAt(0) }))
  await inbound.send({ id, totalPrice: 99.9, guestEmail: null, phone: '', updatedOn: versionAt(1) })
  const booking = await inbound.booking(id)
  assert.deepEqual(booking.guest, { name: 'Ines Ferreira', email: null, phone: null })
  assert.deepEqual(booking.amount, { total: '99.90', minor: 9_990, currency: 'EUR' })
  assert.equal(booking.status, 'confirmed')
  assert.equal(await inbound.nights(id), '2027-05-03…2027-05-07')
  await inbound.send({ id, departureDate: '2027-05-06', updatedOn: versionAt(2) })
  const later = await inbound.booking(id)
  assert.deepEqual([later.checkOut, later.guest.email, later.amount.minor], ['2027-05-06', null, 9_990])
})

it('a null where a booking needs a value leaves the booking and asks a person', async () => {
  const { id } = await sent(newReservation({ updatedOn: versionAt(0) }))
  const webhook = await inbound.send({ id, departureDate: null, updatedOn: versionAt(1) })
  assert.equal(webhook.status, 'queued')
  assert.equal((await inbound.booking(id)).checkOut, '2027-05-07')
  assert.equal(await inbound.nights(id), '2027-05-03…2027-05-07')
  assert.deepEqual(
    (await inbound.queued(id))?.problems.map(({ field }) => field),
    ['departureDate'],
  )
})

it('a part that repairs what was missing makes the booking', async () => {
  const { id } = await sent(newReservation({ departureDate: undefined, updatedOn: versionAt(0) }))
  assert.equal((await inbound.queued(id))?.status, 'pending')
  await inbound.send({ id, departureDate: '2027-05-09', updatedOn: versionAt(1) })
  assert.equal((await inbound.booking(id)).checkOut, '2027-05-09')
  assert.equal((await inbound.queued(id))?.status, 'imported')
  assert.equal(await inbound.nights(id), '2027-05-03…2027-05-09')
})

it('what could not be read stays a problem until it is said anew', async () => {
  const { id } = await sent(newReservation({ totalPrice: 'plenty', updatedOn: versionAt(0) }))
  await inbound.send({ id, guestName: 'Ada Renamed', updatedOn: versionAt(1) })
  assert.deepEqual(await inbound.bookings(id), [])
  assert.deepEqual(
    (await inbound.queued(id))?.problems.map(({ field }) => field),
    ['totalPrice'],
  )
  await inbound.send({ id, totalPrice: 50, updatedOn: versionAt(2) })
  assert.equal((await inbound.booking(id)).amount.minor, 5_000)
})

it('a part is laid over the newest version, also where that one could not be mapped', async () => {
  const { id } = await sent(newReservation({ updatedOn: versionAt(0) }))
  await inbound.send({ id, guestName: 'Ada Renamed', departureDate: '2027-05-01', updatedOn: versionAt(1) })
  await inbound.send({ id, departureDate: '2027-05-08', updatedOn: versionAt(2) })
  const booking = await inbound.booking(id)
  assert.deepEqual([booking.guest.name, booking.checkOut], ['Ada Renamed', '2027-05-08'])
})

it('empty lists of a webhook do not take away units; those of a complete answer do', async () => {
  const reservation: Fields & { id: number } = await system.control.book(accountId, {
    silent: true,
    listingMapId: 400003,
  })
  const units = [
    { id: 1, listingUnitId: 1 },
    { id: 2, listingUnitId: 2 },
  ]
  await sent({ ...reservation, reservationUnit: units, updatedOn: versionAt(0) })
  assert.equal((await inbound.booking(reservation.id)).units, 2)
  await sent({ ...reservation, reservationUnit: [], updatedOn: versionAt(1) })
  assert.equal((await inbound.booking(reservation.id)).units, 2)

  await system.control.change(accountId, reservation.id, {
    silent: true,
    reservationUnit: [],
    updatedOn: versionAt(2),
  })
  await inbound.deliver({
    event: 'reservation.updated',
    object: 'reservation',
    objectId: reservation.id,
    accountId,
  })
  assert.equal((await inbound.booking(reservation.id)).units, 1)
  await inbound.send({ id: reservation.id, guestName: 'Ada Renamed', updatedOn: versionAt(3) })
  assert.equal((await inbound.booking(reservation.id)).units, 1)
})

it('a part of an unseen reservation waits with all its missing fields', async () => {
  const id = newReservationId()
  await inbound.send({ id, totalPrice: 10, updatedOn: versionAt(0) })
  assert.deepEqual(
    (await inbound.queued(id))?.problems.map(({ field, code }) => [field, code]),
    [
      ['status', 'missing'],
      ['listingMapId', 'missing'],
      ['arrivalDate', 'missing'],
      ['departureDate', 'missing'],
    ],
  )
})

it('parts of several versions end in the same booking in each of their 24 orders, without asking', async () => {
  const parts: Fields[] = [
    newReservation({ id: 0 }),
    { guestName: 'Ada Renamed', totalPrice: 500, adults: 1 },
    { totalPrice: 600, departureDate: '2027-05-09' },
    { guestEmail: null, checkIn: '2027-05-04' },
  ]
  const countFetches = async () => (await system.control.calls({ path: '/reservations/**' })).length
  const fetches = await countFetches()
  const outcomes = await Promise.all(
    permutationsOf([0, 1, 2, 3]).map(async (order) => {
      const id = newReservationId()
      for (const index of order) await inbound.send({ ...parts[index], id, updatedOn: versionAt(index) })
      const { guest, guests, amount, checkIn, checkOut, status, sourceUpdatedAt } = await inbound.booking(id)
      const queued = (await inbound.queued(id))?.status ?? 'imported'
      const nights = await inbound.nights(id)
      return {
        order,
        seen: { guest, guests, amount, checkIn, checkOut, status, sourceUpdatedAt, queued, nights },
      }
    }),
  )
  const [inOrder, ...others] = outcomes
  assert.deepEqual(
    [inOrder?.seen.guest, inOrder?.seen.guests.adults, inOrder?.seen.amount.minor, inOrder?.seen.nights],
    [{ name: 'Ada Renamed', email: null, phone: '+351900000001' }, 1, 60_000, '2027-05-04…2027-05-09'],
  )
  for (const { order, seen } of others) assert.deepEqual(seen, inOrder?.seen, `in the order ${order}`)
  assert.equal(await countFetches(), fetches)
})

it('parts that arrive all at once, repeated and in any order, end as they would one after the other', async () => {
  const whole = newReservation({ id: 0 })
  const changed: Fields = {
    ...whole,
    status: 'modified',
    guestName: 'Ada Renamed',
    guestEmail: null,
    totalPrice: 77.7,
    departureDate: '2027-05-08',
    adults: 1,
  }
  const { id: _id, updatedOn: _updatedOn, ...changeable } = changed
  const part = fc.subarray(Object.keys(changeable), { minLength: 1 })
  const story = fc
    .array(fc.tuple(part, fc.boolean()), { minLength: 2, maxLength: 4 })
    .map((parts) =>
      parts.map(([keys, back]) =>
        Object.fromEntries(keys.map((key) => [key, (back ? whole : changed)[key]])),
      ),
    )
    .chain((parts) => {
      const bodies = [whole, ...parts]
      return fc
        .array(fc.nat({ max: bodies.length - 1 }), { maxLength: 2 })
        .chain((repeats) =>
          fc.shuffledSubarray([...bodies.keys(), ...repeats], { minLength: bodies.length + repeats.length }),
        )
        .map((order) => ({ bodies, order }))
    })
  const seen = async (id: number) => {
    const { guest, guests, amount, checkIn, checkOut, status, channelName } = await inbound.booking(id)
    return { guest, guests, amount, checkIn, checkOut, status, channelName, nights: await inbound.nights(id) }
  }
  await fc.assert(
    fc.asyncProperty(fc.array(story, { minLength: 4, maxLength: 4 }), async (stories) => {
      await Promise.all(
        stories.map(async ({ bodies, order }) => {
          const [one, other] = [newReservationId(), newReservationId()]
          const version = (index: number, id: number) => ({
            ...bodies[index],
            id,
            updatedOn: versionAt(index),
          })
          for (const index of bodies.keys()) await inbound.send(version(index, one))
          const ids = await Promise.all(
            order.map((index) => inbound.accept(announcementOf(version(index, other)))),
          )
          await Promise.all(ids.map((webhookId) => inbound.ended(webhookId)))
          assert.deepEqual(await seen(other), await seen(one))
        }),
      )
    }),
    // What went wrong depends on the moment; smaller stories would be other ones.
    { numRuns: 4, endOnFailure: true },
  )
})

it('an older part with a field of its own is added; one without new fields changes nothing', async () => {
  const { id } = await sent(newReservation({ updatedOn: versionAt(1) }))
  await inbound.send({ id, totalPrice: 99.9, updatedOn: versionAt(5) })
  const added = await inbound.send({ id, guestName: 'Ada Renamed', totalPrice: 1, updatedOn: versionAt(3) })
  const nothing = await inbound.send({ id, totalPrice: 2, adults: 2, updatedOn: versionAt(0) })
  assert.deepEqual([added.outcome, nothing.outcome], ['updated', 'older'])
  const booking = await inbound.booking(id)
  assert.deepEqual([booking.guest.name, booking.amount.minor], ['Ada Renamed', 9_990])
  const { field_versions: fields } = await system.db
    .selectFrom('bookings')
    .select('field_versions')
    .where('external_id', '=', String(id))
    .executeTakeFirstOrThrow()
  assert.ok(fields?.guestName !== undefined && fields.totalPrice === undefined)
  await inbound.send(newReservation({ id, updatedOn: versionAt(6) }))
  const complete = await system.db
    .selectFrom('bookings')
    .select('field_versions')
    .where('external_id', '=', String(id))
    .executeTakeFirstOrThrow()
  assert.equal(complete.field_versions, null)
})

it('a part that came first waits, and the whole of an older version makes the booking of both', async () => {
  const id = newReservationId()
  assert.equal((await inbound.send({ id, totalPrice: 10, updatedOn: versionAt(4) })).outcome, 'waiting')
  assert.equal((await inbound.send(newReservation({ id, updatedOn: versionAt(1) }))).outcome, 'created')
  const booking = await inbound.booking(id)
  assert.deepEqual([booking.amount.minor, booking.guest.name], [1_000, 'Ines Ferreira'])
  assert.equal((await inbound.queued(id))?.status, 'imported')
})

function permutationsOf<Item>(items: Item[]): Item[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item, index) =>
    permutationsOf(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  )
}

async function sent<Body extends Fields>(body: Body): Promise<Body> {
  await inbound.send(body)
  return body
}
