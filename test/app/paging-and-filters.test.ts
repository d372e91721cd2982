import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { openDeadLetter } from '../../src/dead-letters/dead-letter-store.ts'
import { AppError } from '../../src/platform/errors.ts'
import { afterAll } from '../support/after-all.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { eventually } from '../support/eventually.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import { startTestSystem, type TestConnection, type TestSystem } from '../support/test-system.ts'
import { whenEventsAreVisible } from '../support/visible-events.ts'

type Row = { id: string; [field: string]: unknown }
type Page = { data: Row[]; nextCursor: string | null }

const accounts = [
  { tenant: 'first', accountId: 20_001, apiKey: 'key-of-the-first' },
  { tenant: 'second', accountId: 20_002, apiKey: 'key-of-the-second' },
]
const listings = [8_001, 8_002]

describe('lists', () => {
  const context = afterAll()
  let system: TestSystem
  const connections: TestConnection[] = []

  before(async () => {
    system = await startTestSystem(context)
    for (const { tenant, accountId, apiKey } of accounts) {
      await system.control.addAccount({
        accountId,
        apiKey,
        listings: listings.map((id) => ({ id, name: `Listing ${id}` })),
      })
      connections.push(await system.connect({ tenant, accountId, apiKey }))
    }
    await makeRows()
  })

  /** Seven bookings and three waiting reservations per connection, and dead letters of both. */
  async function makeRows(): Promise<void> {
    for (const connection of connections) {
      const send = (data: Record<string, unknown>) =>
        system.deliver(connection, { event: 'reservation.created', accountId: connection.accountId, data })
      for (let number = 0; number < 7; number += 1) {
        const day = String(number + 1).padStart(2, '0')
        await send(
          reservationBody({
            id: 700_100 + number,
            listingMapId: listings[number % 2],
            status: number === 6 ? 'cancelled' : 'new',
            arrivalDate: `2027-05-${day}`,
            departureDate: `2027-05-${String(number + 2).padStart(2, '0')}`,
          }),
        )
      }
      for (let number = 0; number < 3; number += 1) {
        await send(reservationBody({ id: 700_200 + number, listingMapId: 999_999 }))
      }
      await system.deliver(connection, {
        event: 'task.created',
        accountId: connection.accountId,
        data: { id: 1 },
      })
      for (const role of ['viewer', 'service']) {
        await system.api('POST', '/v1/tokens', { tenant: connection.tenant, role, name: role })
      }
      const { tenant_id: tenantId } = await system.db
        .selectFrom('hostaway_connections')
        .select('tenant_id')
        .where('id', '=', connection.id)
        .executeTakeFirstOrThrow()
      for (const kind of ['forbidden', 'not_found', 'forbidden'] as const) {
        await openDeadLetter(system.db, system.deps, {
          tenantId,
          connectionId: connection.id,
          queue: 'inbound',
          job: 'process-webhook',
          subject: `${connection.id} ${kind} ${Math.random()}`,
          payload: {},
          error: new AppError(kind, 'made by the test'),
          attempts: 1,
        })
      }
    }
    await eventually(async () => {
      const { body } = await system.api<Page>('GET', '/v1/webhooks?status=received')
      assert.deepEqual(body.data, [])
    })
  }

  async function list(path: string): Promise<Page> {
    const answer = await system.api<Page>('GET', path)
    assert.equal(answer.status, 200, answer.text)
    return answer.body
  }

  async function idsOf(path: string): Promise<string[]> {
    return (await list(path)).data.map(({ id }) => id)
  }

  const total = {
    bookings: 14,
    'booking-queue': 6,
    webhooks: 22,
    'dead-letters': 6,
    connections: 2,
    tenants: 2,
    tokens: 4,
  }
  for (const [name, count] of Object.entries(total)) {
    it(`${name}: the cursor walks every row exactly once and is null at the end`, async () => {
      for (const limit of [1, 3, count, 200]) {
        const seen: string[] = []
        let cursor: string | null = null
        let pages = 0
        do {
          const page: Page = await list(
            `/v1/${name}?limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`,
          )
          assert.ok(page.data.length <= limit)
          seen.push(...page.data.map(({ id }) => id))
          cursor = page.nextCursor
          pages += 1
        } while (cursor !== null)
        assert.equal(seen.length, count)
        assert.equal(new Set(seen).size, count)
        assert.equal(pages, Math.ceil(count / limit))
      }
    })

    it(`${name}: a limit from 1 to 200 is taken, anything else and a made-up cursor are 422`, async () => {
      for (const limit of ['0', '201', '-1', '1.5', 'many', '']) {
        const answer = await system.api('GET', `/v1/${name}?limit=${limit}`)
        const { errors } = assertProblem(answer, 422, 'VALIDATION_FAILED')
        assert.equal(errors?.[0]?.field, 'limit')
      }
      for (const cursor of ['nonsense', '1', '00000000-0000-0000-0000']) {
        assertProblem(await system.api('GET', `/v1/${name}?cursor=${cursor}`), 422, 'INVALID_CURSOR')
      }
    })
  }

  it('lists of listings walk every listing once', async () => {
    const path = `/v1/connections/${connections[0]?.id}/listings`
    const first = await system.api<{ data: Array<{ listingId: string }>; nextCursor: string }>(
      'GET',
      `${path}?limit=1`,
    )
    const second = await system.api<{ data: Array<{ listingId: string }>; nextCursor: null }>(
      'GET',
      `${path}?limit=1&cursor=${first.body.nextCursor}`,
    )
    assert.deepEqual(
      [first, second].map(({ body }) => body.data.map(({ listingId }) => listingId)),
      [['8001'], ['8002']],
    )
    assert.equal(second.body.nextCursor, null)
  })

  it('lists are filtered by connection; a connection that does not exist has nothing', async () => {
    const unknown = '01890000-0000-7000-8000-000000000000'
    for (const name of ['bookings', 'booking-queue', 'webhooks', 'dead-letters'] as const) {
      const found = (await list(`/v1/${name}?connection=${connections[0]?.id}`)).data
      assert.equal(found.length, total[name] / 2, name)
      assert.ok(found.every(({ connectionId }) => connectionId === connections[0]?.id))
      assert.deepEqual(await list(`/v1/${name}?connection=${unknown}`), { data: [], nextCursor: null })
      assert.deepEqual(await list(`/v1/${name}?connection=nonsense`), { data: [], nextCursor: null })
    }
  })

  it('lists of bookings are filtered by unit, reservation and status, together as well', async () => {
    const unit = (await list('/v1/bookings?unitId=hostaway-8001')).data
    assert.equal(unit.length, 8)
    assert.equal((await list('/v1/bookings?externalId=700103')).data.length, 2)
    assert.equal((await list('/v1/bookings?status=cancelled')).data.length, 2)
    const both = await list(
      `/v1/bookings?status=confirmed&unitId=hostaway-8001&connection=${connections[1]?.id}`,
    )
    assert.deepEqual(both.data.map(({ externalId }) => externalId).sort(), ['700100', '700102', '700104'])
    assert.deepEqual((await list('/v1/bookings?unitId=unknown')).data, [])
  })

  it('lists of bookings find stays with a night on or between two days, the day of departure not being one', async () => {
    const stays = async (query: string) =>
      (await list(`/v1/bookings?connection=${connections[0]?.id}&${query}`)).data
        .map(({ checkIn }) => checkIn)
        .sort()
    assert.deepEqual(await stays('from=2027-05-03&to=2027-05-03'), ['2027-05-03'])
    assert.deepEqual(await stays('from=2027-05-06'), ['2027-05-06', '2027-05-07'])
    assert.deepEqual(await stays('to=2027-05-02'), ['2027-05-01', '2027-05-02'])
    assert.deepEqual(await stays('from=2027-05-08'), [])
  })

  it('lists of bookings are sorted by arrival, change and creation, page by page, in both directions', async () => {
    // An id is made a moment before the row it names.
    const fields = { checkIn: 'checkIn', updatedAt: 'updatedAt', createdAt: 'id' } as const
    for (const [sort, field] of Object.entries(fields)) {
      const pages: Record<string, Row[]> = {}
      for (const direction of ['', '-']) {
        const seen: Row[] = []
        let cursor = ''
        do {
          const page: Page = await list(`/v1/bookings?sort=${direction}${sort}&limit=3${cursor}`)
          seen.push(...page.data)
          cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`
        } while (cursor !== '')
        pages[direction] = seen
      }
      const values = (pages[''] ?? []).map((row) => String(row[field]))
      assert.deepEqual([values.length, values], [total.bookings, values.toSorted()], sort)
      assert.deepEqual(pages['-'], pages['']?.toReversed(), sort)
    }
  })

  it('lists of bookings find arrivals, codes, several statuses, and a part of a name, an address or an id', async () => {
    const [guest] = (await list('/v1/bookings?externalId=700103')).data
    const { name, email } = (guest as unknown as { guest: { name: string; email: string } }).guest
    const counts: Record<string, number> = {
      'arrivalFrom=2027-05-03&arrivalTo=2027-05-04': 4,
      'status=cancelled,confirmed': total.bookings,
      'q=700103': 2,
      [`q=${encodeURIComponent(name.slice(1).toUpperCase())}`]: total.bookings,
      [`q=${encodeURIComponent(email.slice(1, -1))}`]: total.bookings,
      [`q=${guest?.id}`]: 1,
      'q=%25': 0,
      'confirmationCode=no-such-code': 0,
    }
    for (const [query, count] of Object.entries(counts)) {
      assert.equal((await list(`/v1/bookings?${query}`)).data.length, count, query)
    }
    assertProblem(await system.api('GET', '/v1/bookings?status=confirmed,lost'), 422, 'VALIDATION_FAILED')
    assertProblem(await system.api('GET', '/v1/bookings?sort=guest'), 422, 'VALIDATION_FAILED')
  })

  it('the units of a tenant are listed with the listings that stand for them', async () => {
    const units = (await list('/v1/units?tenant=first')).data
    assert.deepEqual(
      units,
      listings.map((id) => ({
        unitId: `hostaway-${id}`,
        units: 1,
        listings: [{ connectionId: connections[0]?.id, listingId: String(id), name: `Listing ${id}` }],
      })),
    )
    const { data } = await list(`/v1/units?tenant=first&connection=${connections[1]?.id}`)
    assert.deepEqual(data, [])
  })

  it('the feed names its subjects and is read by type', async () => {
    await whenEventsAreVisible(system.db)
    const created = await list('/v1/feed?types=booking.created&limit=200')
    assert.equal(created.data.length, total.bookings)
    for (const { type, subject } of created.data) {
      assert.equal(type, 'booking.created')
      assert.equal(typeof subject, 'string')
    }
    // What was skipped for its type is not read again.
    assert.deepEqual((await list(`/v1/feed?after=${created.nextCursor}`)).data, [])
    const both = await list('/v1/feed?types=booking.*,availability.blocked&limit=200')
    assert.deepEqual([...new Set(both.data.map(({ type }) => type))].sort(), [
      'availability.blocked',
      'booking.created',
    ])
    assertProblem(await system.api('GET', '/v1/feed?types=booking.made'), 422, 'VALIDATION_FAILED')
  })

  it('lists of bookings find what changed after an instant, which must name its time zone', async () => {
    const all = (await list('/v1/bookings')).data
    const instants = all.map(({ updatedAt }) => String(updatedAt)).sort()
    const last = instants.at(-1) ?? ''
    assert.deepEqual(await idsOf(`/v1/bookings?updatedAfter=${nextMillisecond(last)}`), [])
    assert.equal((await idsOf('/v1/bookings?updatedAfter=2020-01-01T00:00:00%2B02:00')).length, all.length)
    for (const text of ['2027-01-01', '2027-01-01T00:00:00', 'yesterday', 'Z']) {
      const answer = await system.api('GET', `/v1/bookings?updatedAfter=${text}`)
      assertProblem(answer, 422, 'VALIDATION_FAILED')
    }
  })

  it('lists of webhooks are newest first, filtered by status and reservation', async () => {
    const times = (await list('/v1/webhooks')).data.map(({ receivedAt }) => String(receivedAt))
    assert.deepEqual(times, times.toSorted().reverse())
    assert.equal((await list('/v1/webhooks?status=ignored')).data.length, 2)
    assert.equal((await list('/v1/webhooks?status=queued')).data.length, 6)
    assert.equal((await list('/v1/webhooks?status=processed&externalId=700100')).data.length, 2)
    assertProblem(await system.api('GET', '/v1/webhooks?status=lost'), 422, 'VALIDATION_FAILED')
  })

  it('lists of waiting reservations are filtered by status', async () => {
    assert.equal((await list('/v1/booking-queue?status=pending')).data.length, 6)
    assert.equal((await list('/v1/booking-queue?status=imported')).data.length, 0)
    assertProblem(await system.api('GET', '/v1/booking-queue?status=lost'), 422, 'VALIDATION_FAILED')
  })

  it('lists of dead letters are newest first, filtered by status, queue and kind', async () => {
    const ids = await idsOf('/v1/dead-letters')
    assert.deepEqual(ids, ids.toSorted().reverse())
    assert.equal((await list('/v1/dead-letters?status=open&queue=inbound&kind=forbidden')).data.length, 4)
    assert.equal((await list('/v1/dead-letters?queue=outbound')).data.length, 0)
    assert.equal((await list('/v1/dead-letters?status=discarded')).data.length, 0)
    for (const query of ['status=lost', 'queue=another', 'kind=bad_luck']) {
      assertProblem(await system.api('GET', `/v1/dead-letters?${query}`), 422, 'VALIDATION_FAILED')
    }
  })

  it('lists of events go on where they ended, in order, each event once', async () => {
    await whenEventsAreVisible(system.db)
    const everything = (await list('/v1/feed?limit=200')).data
    assert.ok(everything.length > 14)
    const seen: string[] = []
    let after: string | null = null
    for (;;) {
      const page: Page = await list(`/v1/feed?limit=5${after === null ? '' : `&after=${after}`}`)
      if (page.data.length === 0) {
        assert.equal(page.nextCursor, after)
        break
      }
      seen.push(...page.data.map(({ id }) => id))
      after = page.nextCursor
    }
    assert.deepEqual(
      seen,
      everything.map(({ id }) => id),
    )
    const second = await list(`/v1/feed?limit=5&cursor=${seen[4]}`)
    assert.deepEqual(
      second.data.map(({ id }) => id),
      seen.slice(5, 10),
    )
    for (const wrong of ['nonsense', '1', '1-2-3', `${'9'.repeat(25)}-1`]) {
      assertProblem(await system.api('GET', `/v1/feed?cursor=${wrong}`), 422, 'INVALID_CURSOR')
      assertProblem(await system.api('GET', `/v1/feed?after=${wrong}`), 422, 'INVALID_CURSOR')
    }
    assertProblem(await system.api('GET', '/v1/feed?limit=201'), 422, 'VALIDATION_FAILED')
  })
})

// A response rounds microseconds down to milliseconds.
function nextMillisecond(instant: string): string {
  return new Date(Date.parse(instant) + 1).toISOString()
}
