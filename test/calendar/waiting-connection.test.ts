import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sql } from 'kysely'
import { desired, fastTimes, inDays, listingIds, writesAt } from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestSystem } from '../support/test-system.ts'

it('a connection that waits for its window costs one delayed job, however much waits and arrives meanwhile', async (t) => {
  const system = await startTestSystem(t, { outboundTimes: fastTimes })
  const connection = await system.connect()
  await system.control.injectFault({ kind: 'status', status: 429, retryAfterSeconds: 60, method: 'PUT' })
  const listings = await listingIds(system)
  const close = (day: string) =>
    desired(
      system,
      listings.map((listing) => ({
        type: 'availability.updated',
        unitId: `hostaway-${listing}`,
        ranges: [{ from: day, to: day, available: false }],
      })),
    )
  await close(inDays(10))
  await eventually(async () => {
    const waiting = await system.db
      .selectFrom('connection_pushes')
      .select('wake_at')
      .where('connection_id', '=', connection.id)
      .executeTakeFirst()
    assert.ok(waiting?.wake_at != null && waiting.wake_at > new Date())
  })
  for (let day = 11; day < 31; day += 1) await close(inDays(day))

  const schema = `${system.config.QUEUE_PREFIX}_queue`
  const jobs = () =>
    sql<{ state: string }>`
      select state::text from ${sql.table(`${schema}.job`)} where queue = 'outbound'
    `.execute(system.db)
  await eventually(async () => {
    const { rows } = await jobs()
    assert.deepEqual(
      rows.map(({ state }) => state),
      ['delayed'],
    )
  })
  const calls = (await writesAt(system)).length
  assert.ok(calls <= listings.length, `${calls} calls were refused`)
  const attempts = await system.db.selectFrom('listing_pushes').select('attempts').execute()
  assert.ok(attempts.every((listing) => listing.attempts === 0))
})
