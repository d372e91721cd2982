import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { eventually } from '../support/eventually.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import {
  sandboxAccount,
  startTestSystem,
  type TestConnection,
  type TestSystem,
} from '../support/test-system.ts'

type Day = {
  date: string
  booked: boolean
  bookingId: string | null
  heldUnits: number
  units: number
  desired: object
  pushed: object
  pending: boolean
}

const single = 8_001
const triple = 8_003

describe('the calendar of a unit', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection

  before(async () => {
    system = await startTestSystem(context)
    const { accountId } = sandboxAccount
    await system.control.addListing(accountId, { id: single, name: 'Quay Flat' })
    await system.control.addListing(accountId, { id: triple, name: 'Three Rooms', units: 3 })
    connection = await system.connect()
    const stays = [
      { id: 1, listingMapId: single, arrivalDate: '2027-03-27', departureDate: '2027-03-30' },
      {
        id: 2,
        listingMapId: single,
        arrivalDate: '2027-04-02',
        departureDate: '2027-04-03',
        status: 'cancelled',
      },
      { id: 3, listingMapId: triple, arrivalDate: '2027-03-01', departureDate: '2027-03-04' },
      { id: 4, listingMapId: triple, arrivalDate: '2027-03-02', departureDate: '2027-03-05' },
      {
        id: 5,
        listingMapId: triple,
        arrivalDate: '2027-03-02',
        departureDate: '2027-03-03',
        status: 'pending',
      },
    ]
    for (const stay of stays) {
      await system.deliver(connection, {
        event: 'reservation.created',
        accountId,
        data: reservationBody(stay),
      })
    }
    await eventually(async () => {
      const { body } = await system.api<{ data: unknown[] }>('GET', '/v1/bookings')
      assert.equal(body.data.length, stays.length)
    })
  })

  async function calendar(query: string, listing = single): Promise<Day[]> {
    const path = `/v1/units/hostaway-${listing}/calendar?tenant=demo${query}`
    const answer = await system.api<{ data: Day[] }>('GET', path)
    assert.equal(answer.status, 200, answer.text)
    return answer.body.data
  }

  it('the calendar of a unit shows both ends of the range, and no night of the day of departure', async () => {
    const days = await calendar('&from=2027-03-26&to=2027-03-30')
    assert.deepEqual(
      days.map(({ date, booked }) => [date, booked]),
      [
        ['2027-03-26', false],
        ['2027-03-27', true],
        ['2027-03-28', true],
        ['2027-03-29', true],
        ['2027-03-30', false],
      ],
    )
  })

  it('the calendar of a unit names the booking that holds a night', async () => {
    const { body } = await system.api<{ data: Array<{ id: string }> }>('GET', '/v1/bookings?externalId=1')
    const [day, free] = await calendar('&from=2027-03-29&to=2027-03-30')
    assert.deepEqual(day, {
      date: '2027-03-29',
      booked: true,
      bookingId: body.data[0]?.id,
      bookingIds: [body.data[0]?.id],
      queueId: null,
      heldUnits: 1,
      units: 1,
      desired: {},
      pushed: {},
      pending: false,
      state: 'none',
      reason: null,
      deadLetterId: null,
      desiredAt: null,
      desiredBy: null,
    })
    assert.equal(free?.bookingId, null)
  })

  it('the calendar of a unit takes a range of one day', async () => {
    const days = await calendar('&from=2027-03-28&to=2027-03-28')
    assert.deepEqual(
      days.map(({ date }) => date),
      ['2027-03-28'],
    )
  })

  it('the calendar of a unit does not hold the nights of a cancelled booking', async () => {
    assert.ok((await calendar('&from=2027-04-02&to=2027-04-03')).every(({ booked }) => !booked))
  })

  it('the calendar of a unit shows the 90 days from today where no range is given, and from a day on where the end is not', async () => {
    const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10)
    const earliest = day(0)
    const days = await calendar('')
    assert.equal(days.length, 90)
    assert.ok([earliest, day(0)].includes(days[0]?.date ?? ''))
    const from = await calendar('&from=2027-03-01')
    assert.deepEqual([from.length, from[0]?.date, from.at(-1)?.date], [90, '2027-03-01', '2027-05-29'])
  })

  it('the calendar of a unit counts the units held, and is booked only where all are', async () => {
    const days = await calendar('&from=2027-03-01&to=2027-03-05', triple)
    assert.deepEqual(
      days.map(({ heldUnits, units, booked }) => [heldUnits, units, booked]),
      [
        [1, 3, false],
        [3, 3, true],
        [2, 3, false],
        [1, 3, false],
        [0, 3, false],
      ],
    )
  })

  it('the calendar of a unit has every day once over a leap day and a change of the clocks', async () => {
    const leap = (await calendar('&from=2028-02-27&to=2028-03-01')).map(({ date }) => date)
    assert.deepEqual(leap, ['2028-02-27', '2028-02-28', '2028-02-29', '2028-03-01'])
    const dates = (await calendar('&from=2027-03-20&to=2027-11-10')).map(({ date }) => date)
    assert.equal(dates.length, 236)
    assert.equal(new Set(dates).size, dates.length)
  })

  const wrong = [
    ['from=2027-02-30', 'from'],
    ['from=2027-13-01', 'from'],
    ['from=27-01-01', 'from'],
    ['to=2027-04-31', 'to'],
    ['from=2027-03-02&to=2027-03-01', 'to'],
    ['from=2027-01-01&to=2037-01-01', 'to'],
    ['from=9999-12-01', 'to'],
    ['from=0000-01-01&to=0000-01-02', 'from'],
  ] as const
  for (const [query, field] of wrong) {
    it(`the calendar of a unit refuses ?${query} and names ${field}`, async () => {
      const answer = await system.api('GET', `/v1/units/hostaway-${single}/calendar?tenant=demo&${query}`)
      const { errors } = assertProblem(answer, 422, 'VALIDATION_FAILED')
      assert.equal(errors?.[0]?.field, field)
    })
  }

  it('the calendar of a unit of an unknown unit is 404, and so is one of an unknown tenant', async () => {
    assertProblem(await system.api('GET', '/v1/units/nothing/calendar?tenant=demo'), 404, 'NOT_FOUND')
    const foreign = `/v1/units/hostaway-${single}/calendar?tenant=nobody`
    assertProblem(await system.api('GET', foreign), 404, 'NOT_FOUND')
  })
})
