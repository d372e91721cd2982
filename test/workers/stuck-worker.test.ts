import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { freePort } from '../../local/free-port.ts'
import { startWorkers } from '../../workers/start-workers.ts'
import { type QueueBackend, queueBackends } from '../support/backends.ts'
import { eventually } from '../support/eventually.ts'
import { openFaultyLink } from '../support/faulty-link.ts'
import { sandboxAccount, startTestSystem } from '../support/test-system.ts'

const times = { watchEveryMs: 100, stalledAfterMs: 1_000, rebuildAfterMs: 4_000 }

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, () => {
    test('a worker that is connected but takes no jobs is noticed, shown and replaced', async (t) => {
      const metricsPort = await freePort()
      const system = await startTestSystem(t, {
        backend,
        workers: false,
        settings: { METRICS_PORT: String(metricsPort) },
      })
      const { deps, control } = system
      // Only the worker's own connections go through the link: the producer goes on seeing the queue.
      const link = await openFaultyLink(t, queueAddress(backend, deps.queueBackend.databaseUrl))
      const address = backend.name === 'redis' ? { redisUrl: link.url } : { databaseUrl: link.url }
      const proxied = { ...deps, queueBackend: { ...deps.queueBackend, ...address } }
      const workers = await startWorkers(proxied, times)
      t.after(() => workers.close())
      await system.connect()

      const bookings = async () => {
        const answer = await system.api<{ data: unknown[] }>('GET', '/v1/bookings')
        return answer.body.data.length
      }
      const lookAt = (path: string) => fetch(`http://127.0.0.1:${metricsPort}${path}`)
      const metric = async (name: string) => {
        const text = await (await lookAt('/metrics')).text()
        return Number(new RegExp(`^${name}\\{queue="inbound"\\} (.+)$`, 'm').exec(text)?.[1])
      }
      await control.book(sandboxAccount.accountId)
      await eventually(async () => assert.equal(await bookings(), 1))
      assert.equal((await lookAt('/readyz')).status, 200)

      link.stall()
      link.mend()
      await control.book(sandboxAccount.accountId)
      await eventually(async () => {
        const answer = await lookAt('/readyz')
        assert.equal(answer.status, 503)
        assert.match(await answer.text(), /inbound worker: work waits and none is done/)
      })
      await eventually(async () => assert.ok((await metric('hostaway_worker_last_progress_seconds')) > 0.5))

      await eventually(async () => assert.equal(await bookings(), 2), { timeoutMs: 20_000 })
      await eventually(async () => assert.equal((await lookAt('/readyz')).status, 200))
      await eventually(async () => assert.equal(await metric('hostaway_worker_rebuilds_total'), 1))
      for (const event of ['worker.stalled', 'worker.rebuilt']) {
        assert.ok(
          system.logged.some((line) => line.includes(`"${event}"`)),
          event,
        )
      }
    })
  })
}

function queueAddress(backend: QueueBackend, databaseUrl: string): string {
  return backend.redisUrl ?? databaseUrl
}
