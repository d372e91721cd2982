import assert from 'node:assert/strict'
import { it } from 'node:test'
import { freePort } from '../../local/free-port.ts'
import { startOwnRedis } from '../../local/own-redis.ts'
import { eventually } from '../support/eventually.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import { startTestSystem } from '../support/test-system.ts'

type Bookings = { data: Array<{ externalId: string }> }

const skip = process.env.TEST_REDIS_URL === undefined && 'there is no Redis here'

it('webhooks are accepted while Redis is away, at the start or later, and processed once it is back', {
  skip,
}, async (t) => {
  const port = await freePort()
  const startRedis = async () => {
    const redis = await startOwnRedis({ port })
    if (redis === undefined) return t.skip('there is no redis-server on PATH')
    t.after(() => redis.stop())
    return redis
  }
  const system = await startTestSystem(t, {
    backend: { name: 'redis', redisUrl: `redis://127.0.0.1:${port}`, prefix: 'outage' },
    upkeepTimes: { sweepEveryMs: 100, neverEnqueuedForMs: 100, enqueuedForMs: 500 },
  })
  const connection = await system.connect()
  const { listings } = await system.control.state(connection.accountId)
  const listingMapId = listings[0]?.listing.id
  let lastId = 800_000
  const expected: string[] = []

  async function deliverTen(): Promise<void> {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => {
        lastId += 1
        expected.push(String(lastId))
        const data = reservationBody({
          id: lastId,
          hostawayReservationId: String(lastId),
          listingMapId,
        })
        return system.deliver(connection, {
          event: 'reservation.created',
          accountId: connection.accountId,
          data,
        })
      }),
    )
    for (const { status, text } of answers) assert.equal(status, 200, text)
    const ready = await fetch(`${system.url}/readyz`)
    assert.equal(ready.status, 200, await ready.text())
  }
  const booked = async () => {
    const { body } = await system.api<Bookings>('GET', '/v1/bookings?limit=200')
    return body.data.map(({ externalId }) => externalId).sort()
  }
  const allBooked = () =>
    eventually(async () => assert.deepEqual(await booked(), expected), { timeoutMs: 30_000 })

  await deliverTen()
  assert.deepEqual(await booked(), [])
  const first = await startRedis()
  if (first === undefined) return
  await allBooked()

  await first.stop()
  await deliverTen()
  await startRedis()
  await allBooked()
  await deliverTen()
  await allBooked()
})
