import assert from 'node:assert/strict'
import { it } from 'node:test'
import { withTimeout } from '../../src/platform/timeout.ts'

const never = new Promise<string>(() => {})

it('work that ends in time gives its own result or error', async () => {
  assert.equal(await withTimeout(60_000, Promise.resolve('done'), () => 'late'), 'done')
  await assert.rejects(
    withTimeout(60_000, Promise.reject(new Error('failed')), () => 'late'),
    /failed/,
  )
})

// The timer alone keeps no process alive, so the test does.
async function alive<Result>(work: Promise<Result>): Promise<Result> {
  const timer = setInterval(() => {}, 1_000)
  return work.finally(() => clearInterval(timer))
}

it('work that is late gives what was asked for instead, a value or an error', async () => {
  assert.equal(await alive(withTimeout(1, never, () => 'late')), 'late')
  const refuse = () => {
    throw new Error('too late')
  }
  await assert.rejects(alive(withTimeout(1, never, refuse)), /too late/)
})

it('work that fails after its time-out is ignored', async () => {
  const work = Promise.withResolvers<void>()
  assert.equal(await alive(withTimeout(1, work.promise, () => 'late')), 'late')
  work.reject(new Error('failed later'))
  await new Promise(setImmediate)
})
