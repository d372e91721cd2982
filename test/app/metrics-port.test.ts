import assert from 'node:assert/strict'
import { it } from 'node:test'
import { freePort } from '../../local/free-port.ts'
import { startApi } from '../../src/app.ts'
import { afterAll } from '../support/after-all.ts'
import { startTestSystem } from '../support/test-system.ts'

const context = afterAll()

it('an API whose METRICS_PORT is set serves its metrics there alone, and its health at both', async () => {
  const system = await startTestSystem(context, { workers: false })
  const [port, metricsPort] = [await freePort(), await freePort()]
  const deps = { ...system.deps, config: { ...system.deps.config, PORT: port, METRICS_PORT: metricsPort } }
  const api = await startApi(deps)
  context.after(() => api.close())
  const status = async (at: number, path: string) => (await fetch(`http://127.0.0.1:${at}${path}`)).status
  assert.deepEqual([await status(port, '/metrics'), await status(metricsPort, '/metrics')], [404, 200])
  for (const at of [port, metricsPort]) {
    assert.deepEqual([await status(at, '/healthz'), await status(at, '/readyz')], [200, 200])
  }
  assert.equal(await status(metricsPort, '/v1/tenants'), 404)
})
