import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../../src/platform/db/database.ts'
import { createLocks, type Locks } from '../../../src/platform/db/locks.ts'
import { toAppError } from '../../../src/platform/errors.ts'
import { afterAll } from '../../support/after-all.ts'
import { openFaultyLink } from '../../support/faulty-link.ts'
import { createTestDatabase } from '../../support/test-database.ts'

describe('locks of a process', async () => {
  const { after } = afterAll()
  const url = await createTestDatabase({ after })
  const db = openDatabase({ url, maxConnections: 1, applicationName: 'test' })
  after(() => db.destroy())
  // One connection may report its end more than once.
  const lost = new Set<string>()
  const processOf = (name: string): Locks => {
    const locks = createLocks({ url, onError: () => lost.add(name) })
    after(() => locks.close())
    return locks
  }
  const [one, other] = [processOf('one'), processOf('other')]
  const free = async (locks: Locks) =>
    (await locks.tryWith('name', async () => 'worked'))?.result === 'worked'

  it('a lock is taken for other processes and other work of its own, until the work ends', async () => {
    const held = await one.tryWith('name', async () => ({
      other: await free(other),
      own: await free(one),
      otherName: (await other.tryWith('another name', async () => true))?.result,
    }))
    assert.deepEqual(held?.result, { other: false, own: false, otherName: true })
    assert.ok(await free(other))
  })

  it('work that fails gives the lock back', async () => {
    const failing = one.tryWith('name', async () => {
      throw new Error('failed')
    })
    await assert.rejects(failing, /failed/)
    assert.ok(await free(other))
  })

  it('no transaction is open while the work runs', async () => {
    await one.tryWith('name', async () => {
      const { rows } = await sql<{ state: string; open: boolean }>`
        select state, xact_start is not null as open from pg_stat_activity
        where application_name = 'hostaway-locks' and datname = current_database()
      `.execute(db)
      assert.ok(rows.length > 0)
      assert.ok(rows.every(({ state, open }) => state === 'idle' && !open))
    })
  })

  it('a connection that breaks frees its locks, and the next lock opens another one', async () => {
    await one.tryWith('name', async () => {
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'hostaway-locks' and datname = current_database()
      `.execute(db)
      while (lost.size < 2) await new Promise(setImmediate)
      assert.ok(await free(other))
    })
    assert.ok(await free(one))
  })

  it('a connection that no longer answers is replaced, and keeps the locks whose work goes on', async () => {
    const link = await openFaultyLink({ after }, url)
    const cutOff = createLocks({ url: link.url, onError: () => {}, timeoutMs: 200 })
    after(() => cutOff.close())
    const away = (error: unknown) => toAppError(error).kind === 'database_unavailable'

    await cutOff.tryWith('long work', async () => {
      link.stall()
      await assert.rejects(free(cutOff), away)
      // Nor does a new connection come about.
      await assert.rejects(free(cutOff), away)
      link.mend()
      assert.ok(await free(cutOff))
      const others = await other.tryWith('long work', async () => true)
      assert.equal(others, undefined, 'the lock is kept while its work runs')
    })
    assert.ok(await cutOff.tryWith('other work', async () => true))
  })
})
