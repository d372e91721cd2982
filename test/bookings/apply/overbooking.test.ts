import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, versionAt } from '../../support/reservation-bodies.ts'

const { system, connection, ...inbound } = await startObserved({ after })

const house = 400001
const threeStudios = 400003

async function booked(listingMapId: number, arrivalDate: string, departureDate: string, fields: Fields = {}) {
  const body = newReservation({
    listingMapId,
    arrivalDate,
    departureDate,
    updatedOn: versionAt(0),
    ...fields,
  })
  await inbound.send(body)
  return body
}

async function conflictsOf(id: number): Promise<unknown[]> {
  const events = await inbound.events(id)
  return events.filter(({ type }) => type === 'booking.conflict').map(({ data }) => data.with)
}

async function counted(): Promise<number> {
  const { values } = await system.deps.metrics.bookingConflicts.get()
  return values[0]?.value ?? 0
}

it('two confirmed bookings on one unit are both stored and reported once', async () => {
  const before = await counted()
  const first = await booked(house, '2027-01-10', '2027-01-15')
  const second = await booked(house, '2027-01-14', '2027-01-18')
  assert.equal((await inbound.booking(first.id)).status, 'confirmed')
  assert.equal((await inbound.booking(second.id)).status, 'confirmed')
  assert.deepEqual(await conflictsOf(first.id), [])
  assert.deepEqual(await conflictsOf(second.id), [[String(first.id)]])
  assert.equal(await counted(), before + 1)
  const lines = system.logged.filter((line) => line.includes('booking.conflict'))
  assert.equal(lines.length, 1)
  assert.ok(lines[0]?.includes(String(second.id)) && lines[0].includes(String(first.id)))

  await inbound.send({ ...second, guestName: 'Ada Renamed', updatedOn: versionAt(1) })
  await inbound.send({ ...second, totalPrice: 1, updatedOn: versionAt(2) })
  assert.equal((await conflictsOf(second.id)).length, 1)
  assert.equal(await counted(), before + 1)

  await inbound.send({ ...second, departureDate: '2027-01-20', updatedOn: versionAt(3) })
  assert.equal((await conflictsOf(second.id)).length, 2)
})

it('a departure on the day of an arrival is no conflict', async () => {
  await booked(house, '2027-02-01', '2027-02-05')
  const next = await booked(house, '2027-02-05', '2027-02-08')
  const before = await booked(house, '2027-01-28', '2027-02-01')
  assert.deepEqual(await conflictsOf(next.id), [])
  assert.deepEqual(await conflictsOf(before.id), [])
})

it('pending, cancelled and inquired stays conflict with nothing until they are confirmed', async () => {
  const first = await booked(house, '2027-03-01', '2027-03-05')
  const pending = await booked(house, '2027-03-02', '2027-03-04', { status: 'pending' })
  await booked(house, '2027-03-02', '2027-03-04', { status: 'cancelled' })
  await booked(house, '2027-03-02', '2027-03-04', { status: 'inquiry' })
  assert.deepEqual(await conflictsOf(pending.id), [])
  await inbound.send({ ...pending, status: 'new', updatedOn: versionAt(1) })
  assert.deepEqual(await conflictsOf(pending.id), [[String(first.id)]])
})

it('a listing of three units is overbooked by the fourth stay only', async () => {
  const stays = [
    await booked(threeStudios, '2027-04-01', '2027-04-06'),
    await booked(threeStudios, '2027-04-02', '2027-04-07'),
    await booked(threeStudios, '2027-04-05', '2027-04-09'),
  ]
  for (const { id } of stays) assert.deepEqual(await conflictsOf(id), [])
  const beside = await booked(threeStudios, '2027-04-07', '2027-04-09')
  assert.deepEqual(await conflictsOf(beside.id), [])
  const fourth = await booked(threeStudios, '2027-04-05', '2027-04-06')
  assert.deepEqual(await conflictsOf(fourth.id), [stays.map(({ id }) => String(id))])
})

it('a stay holds as many units as it names', async () => {
  const units = (count: number) => ({
    reservationUnit: Array.from({ length: count }, (_, index) => ({
      id: index + 1,
      listingUnitId: index + 1,
    })),
  })
  const pair = await booked(threeStudios, '2027-06-01', '2027-06-05', units(2))
  assert.equal((await inbound.booking(pair.id)).units, 2)
  const third = await booked(threeStudios, '2027-06-01', '2027-06-05', units(1))
  assert.deepEqual(await conflictsOf(third.id), [])
  const fourth = await booked(threeStudios, '2027-06-04', '2027-06-05', units(1))
  assert.deepEqual(await conflictsOf(fourth.id), [[String(pair.id), String(third.id)]])
})

it('of two overlapping stays that arrive at the same moment one is reported, however they race', async () => {
  const months = Array.from({ length: 12 }, (_, index) => String(index + 1).padStart(2, '0'))
  const pairs = months.flatMap((month) =>
    [1, 11].map((day) => {
      const stay = (from: number, to: number) =>
        newReservation({
          listingMapId: 400006,
          arrivalDate: `2029-${month}-${String(from).padStart(2, '0')}`,
          departureDate: `2029-${month}-${String(to).padStart(2, '0')}`,
        })
      return [stay(day, day + 5), stay(day + 3, day + 8)]
    }),
  )
  await Promise.all(pairs.flat().map((body) => system.deliver(connection, announcementOf(body))))
  await inbound.settled()
  for (const [first, second] of pairs) {
    const reports = [
      ...(await conflictsOf(first?.id ?? 0)).flat(),
      ...(await conflictsOf(second?.id ?? 0)).flat(),
    ]
    assert.equal(reports.length, 1)
  }
})

it('pairs that cannot both take place are listed until one of them gives way', async () => {
  type Pair = {
    unitId: string
    firstNight: string
    departure: string
    bookings: Array<{ externalId: string }>
  }
  const pairsOf = async (query: string) => {
    const answer = await system.api<{ data: Pair[]; nextCursor: string | null }>(
      'GET',
      `/v1/conflicts?tenant=demo&limit=200&${query}`,
    )
    assert.equal(answer.status, 200, answer.text)
    return answer.body.data.map(({ firstNight, departure, bookings }) => [
      firstNight,
      departure,
      ...bookings.map(({ externalId }) => externalId),
    ])
  }
  const house = 400002
  const unit = 'unitId=hostaway-400002'
  const first = await booked(house, '2031-01-10', '2031-01-15')
  const second = await booked(house, '2031-01-14', '2031-01-18')
  await booked(house, '2031-01-18', '2031-01-20')
  await booked(house, '2031-01-11', '2031-01-12', { status: 'pending' })
  assert.deepEqual(await pairsOf(unit), [['2031-01-14', '2031-01-15', String(first.id), String(second.id)]])
  assert.deepEqual(await pairsOf(`${unit}&from=2031-01-15`), [])
  await inbound.send({ ...second, status: 'cancelled', updatedOn: versionAt(1) })
  assert.deepEqual(await pairsOf(unit), [])

  const stays = [
    await booked(threeStudios, '2031-04-01', '2031-04-06'),
    await booked(threeStudios, '2031-04-02', '2031-04-07'),
    await booked(threeStudios, '2031-04-05', '2031-04-09'),
  ]
  const studios = 'unitId=hostaway-400003&from=2031-04-01'
  assert.deepEqual(await pairsOf(studios), [])
  const fourth = await booked(threeStudios, '2031-04-05', '2031-04-06')
  const pairs = await pairsOf(studios)
  assert.equal(pairs.length, 6)
  assert.equal(pairs.filter((pair) => pair.includes(String(fourth.id))).length, stays.length)
})
