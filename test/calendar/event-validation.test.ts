import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { addDays } from '../../src/platform/days.ts'
import { afterAll } from '../support/after-all.ts'
import { inDays, listingIds } from '../support/desired-events.ts'
import { adminToken, startTestSystem, type TestSystem } from '../support/test-system.ts'

type Taken = { accepted: number; ids: string[] }
type Refusal = { code: string; errors: Array<{ field: string; message: string }> }

describe('POST /v1/events', () => {
  const context = afterAll()
  let system: TestSystem
  let unitId: string
  let studios: string

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    await system.connect()
    const ids = await listingIds(system)
    unitId = `hostaway-${ids[0]}`
    studios = `hostaway-${ids[2]}`
  })

  const day = inDays(5)
  const post = (events: unknown, headers: Record<string, string> = {}) =>
    fetch(`${system.url}/v1/events?tenant=demo`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(events),
    })
  const refusalOf = async (events: unknown) => {
    const answer = await post(events)
    assert.equal(answer.status, 422)
    return ((await answer.json()) as Refusal).errors
  }
  const nights = async () =>
    Number(
      (
        await system.db
          .selectFrom('calendar_days')
          .select((eb) => eb.fn.countAll<string>().as('count'))
          .executeTakeFirstOrThrow()
      ).count,
    )
  const availability = (range: object, unit = unitId) => ({
    type: 'availability.updated',
    unitId: unit,
    ranges: [range],
  })
  const pricing = (range: object, currency = 'EUR') => ({
    type: 'pricing.updated',
    unitId,
    currency,
    ranges: [range],
  })

  it('POST /v1/events names every bad entry and stores nothing, not even the good ones', async () => {
    const inFourYears = addDays(day, 4 * 365)
    const errors = await refusalOf([
      availability({ from: day, to: day, available: false }),
      availability({ from: day, to: day, available: false }, 'nowhere'),
      availability({ from: inDays(-3), to: day, available: false }),
      availability({ from: day, to: inDays(4), available: false }),
      availability({ from: '2027-02-30', to: '2027-03-01', available: false }),
      availability({ from: day, to: day, minStay: 5, maxStay: 2 }),
      pricing({ from: day, to: day, price: -1 }),
      pricing({ from: day, to: day, price: 10 }, 'USD'),
      availability({ from: day, to: inFourYears, available: true }),
      availability({ from: day, to: day, unitsToSell: 4 }, studios),
      availability({ from: day, to: day }),
      { type: 'booking.updated', unitId },
      { type: 'listing.updated', unitId, changes: { colour: 'green', maxGuests: 0, amenities: [] } },
      'not an object',
      pricing({ from: day, to: day, price: 10.123 }),
    ])
    assert.deepEqual(errors.map(({ field }) => field).toSorted(), [
      '1.unitId',
      '10.ranges.0',
      '11.type',
      '12.changes.amenities',
      '12.changes.colour',
      '12.changes.maxGuests',
      '13',
      '14.ranges.0.price',
      '2.ranges.0.from',
      '3.ranges.0.to',
      '4.ranges.0.from',
      '5.ranges.0.minStay',
      '6.ranges.0.price',
      '7.currency',
      '8.ranges.0.to',
      '9.ranges.0.unitsToSell',
    ])
    assert.equal(await nights(), 0)
  })

  it('POST /v1/events takes today where the listing is, and refuses yesterday there', async () => {
    const today = new Intl.DateTimeFormat('en-CA', { timeZone: 'Europe/Lisbon' }).format(new Date())
    assert.equal((await post(availability({ from: today, to: today, available: true }))).status, 202)
    const yesterday = addDays(today, -1)
    const errors = await refusalOf(availability({ from: yesterday, to: today, available: true }))
    assert.deepEqual(errors, [
      { field: 'ranges.0.from', message: `${yesterday} is in the past, today is ${today} there` },
    ])
  })

  it('POST /v1/events takes 1,000 events at once and refuses 1,001, or none', async () => {
    const events = Array.from({ length: 1_001 }, () => availability({ from: day, to: day, available: true }))
    const answer = await post(events.slice(1))
    assert.equal(answer.status, 202)
    const taken = (await answer.json()) as Taken
    assert.deepEqual([taken.accepted, new Set(taken.ids).size], [1_000, 1_000])
    await refusalOf(events)
    await refusalOf([])
  })

  it('POST /v1/events takes CloudEvents, one or a batch, in their own content types', async () => {
    const { type, ...data } = availability({ from: inDays(6), to: inDays(6), available: false })
    const event = { specversion: '1.0', id: 'a', source: '/tvl', type, data }
    const one = await post(event, { 'content-type': 'application/cloudevents+json' })
    assert.equal(one.status, 202)
    const { ids } = (await one.json()) as Taken
    const batch = await post([event, event], { 'content-type': 'application/cloudevents-batch+json' })
    assert.deepEqual(await batch.json(), { accepted: 2, ids: [...ids, ...ids] })
    const binary = await post(data, {
      ...{
        'ce-specversion': '1.0',
        'ce-id': 'b',
        'ce-source': '/tvl',
        'ce-type': type,
        'ce-time': '2026-01-01T00:00:00Z',
      },
    })
    assert.equal(binary.status, 202)
    const changed = {
      ...event,
      data: { ...data, ranges: [{ from: inDays(6), to: inDays(6), available: true }] },
    }
    for (const sent of [
      changed,
      [
        { ...event, id: 'c' },
        { ...changed, id: 'c' },
      ],
    ]) {
      const reused = await post(sent)
      assert.deepEqual([reused.status, ((await reused.json()) as Refusal).code], [422, 'EVENT_ID_REUSED'])
    }
    for (const wrong of [
      { specversion: ' ' },
      { id: {} },
      { id: undefined },
      { source: [null] },
      { type: 'com.tvl.x' },
    ]) {
      await refusalOf({ ...event, ...wrong })
    }
    assert.deepEqual(await refusalOf({ ...event, data: 'text' }), [
      { field: 'data', message: 'must be an object' },
    ])
  })

  it('an event answers who desired what when, and what became of it', async () => {
    const send = async (available: boolean, from: string, to: string) => {
      const answer = await post(availability({ from, to, available }), { 'x-request-id': 'who-desired' })
      return ((await answer.json()) as Taken).ids[0] ?? ''
    }
    type Outcome = { by: object; requestId: string; data: object; listings: Array<{ nights: object[] }> }
    const show = async (id: string) => (await system.api<Outcome>('GET', `/v1/events/${id}`)).body
    const first = await send(false, inDays(20), inDays(25))
    const second = await send(true, inDays(22), inDays(23))
    const same = await send(false, inDays(24), inDays(25))
    const shown = await show(first)
    assert.deepEqual(shown.by, { id: null, name: 'admin', role: 'admin' })
    assert.equal(shown.requestId, 'who-desired')
    assert.deepEqual(shown.data, { ranges: [{ from: inDays(20), to: inDays(25), available: false }] })
    assert.deepEqual(shown.listings[0]?.nights, [
      { from: inDays(20), to: inDays(21), state: 'pending' },
      { from: inDays(22), to: inDays(23), state: 'superseded' },
      { from: inDays(24), to: inDays(25), state: 'pending' },
    ])
    assert.deepEqual((await show(same)).listings[0]?.nights, [
      { from: inDays(24), to: inDays(25), state: 'repeated' },
    ])
    const { body } = await system.api<{ data: Array<{ id: string }> }>('GET', '/v1/events?limit=3')
    assert.deepEqual(
      body.data.map(({ id }) => id),
      [same, second, first],
    )
  })

  it('what no listing takes has a code of its own', async () => {
    for (const event of [
      availability({ from: day, to: day, available: false }, 'nowhere'),
      pricing({ from: day, to: day, price: 10 }, 'USD'),
    ]) {
      assert.equal(((await (await post(event)).json()) as Refusal).code, 'EVENT_NOT_APPLICABLE')
    }
    const both = [availability({ from: day, to: day, available: false }, 'nowhere'), { type: 'x' }]
    assert.equal(((await (await post(both)).json()) as Refusal).code, 'VALIDATION_FAILED')
  })

  it('an edit of one field leaves the desired for the others', async () => {
    const at = inDays(9)
    await post(availability({ from: at, to: at, available: false, minStay: 3 }))
    await post(pricing({ from: at, to: at, price: 77.5 }))
    const row = await system.db
      .selectFrom('calendar_days')
      .selectAll()
      .where('day', '=', at)
      .executeTakeFirstOrThrow()
    assert.equal(row.desired_units, 0)
    assert.equal(row.desired_min_stay, 3)
    assert.equal(row.desired_price, '77.5')
    assert.equal(row.desired_max_stay, null)
  })

  it('the same Idempotency-Key answers again without doing it again, and refuses another body', async () => {
    const at = inDays(12)
    const key = { 'idempotency-key': 'one-and-only' }
    const closed = availability({ from: at, to: at, available: false })
    assert.equal((await post(closed, key)).status, 202)
    await post(availability({ from: at, to: at, available: true }))
    const again = await post(closed, key)
    assert.equal(again.status, 202)
    assert.equal(((await again.json()) as Taken).accepted, 1)
    assert.equal(again.headers.get('idempotency-replayed'), 'true')
    const reordered = Object.fromEntries(Object.entries(closed).toReversed())
    assert.equal((await post(reordered, key)).headers.get('idempotency-replayed'), 'true')
    const row = await system.db
      .selectFrom('calendar_days')
      .select('desired_units')
      .where('day', '=', at)
      .executeTakeFirstOrThrow()
    assert.equal(row.desired_units, 1)
    const other = await post(availability({ from: at, to: at, available: true }), key)
    assert.equal(other.status, 422)
    assert.equal(((await other.json()) as Refusal).code, 'IDEMPOTENCY_KEY_REUSED')
  })

  it('a year of every night of five listings is taken in one request', async () => {
    const ids = await listingIds(system)
    const events = ids
      .slice(0, 5)
      .map((id) => availability({ from: day, to: addDays(day, 364), available: true }, `hostaway-${id}`))
    const before = await nights()
    assert.equal((await post(events)).status, 202)
    assert.ok((await nights()) >= before + 4 * 365)
  })
})
