import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createBatchedCall } from '../../src/platform/batched-call.ts'

/** Calls whose answers the test gives when it likes. */
function openCalls() {
  const begun: Array<{ items: string[]; answer: () => void }> = []
  let noteBegun = () => {}
  const call = createBatchedCall<string, string>({
    run: (items) =>
      new Promise((resolve) => {
        begun.push({ items, answer: () => resolve(items.map((item) => item.toUpperCase())) })
        noteBegun()
      }),
    maxItems: 10,
    maxInFlight: 2,
    keysOf: (item) => [item.slice(0, 1)],
  })
  const whenBegun = async (count: number) => {
    while (begun.length < count) {
      await new Promise<void>((resolve) => {
        noteBegun = resolve
      })
    }
  }
  return { call, begun, whenBegun }
}

it('what shares no key with anything under way is begun at once, though others wait for theirs', async () => {
  const { call, begun, whenBegun } = openCalls()
  const first = call('a1')
  await whenBegun(1)
  const waiting = call('a2')
  // The turn of the event loop in which it found its key taken is over.
  await new Promise((resolve) => setImmediate(resolve))
  const free = call('b1')
  await whenBegun(2)
  assert.deepEqual(begun[1]?.items, ['b1'])
  for (const { answer } of begun) answer()
  assert.deepEqual(await Promise.all([first, free]), ['A1', 'B1'])
  await whenBegun(3)
  begun[2]?.answer()
  assert.equal(await waiting, 'A2')
})
