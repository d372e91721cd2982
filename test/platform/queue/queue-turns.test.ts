import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createBacklogTurns } from '../../../src/platform/queue/queue-turns.ts'

it('each 64 items of a tenant put its next ones a place further back, and a quiet minute brings it to the front', () => {
  let time = 600_000
  const turns = createBacklogTurns({ windowMs: 60_000, perTurn: 64 }, () => time)
  assert.deepEqual(
    Array.from({ length: 4 }, () => turns.next('busy', 64)),
    [0, 1, 2, 3],
  )
  assert.equal(turns.next('quiet', 1), 0)
  time += 90_000
  assert.equal(turns.next('busy', 64), 2)
  time += 120_000
  assert.equal(turns.next('busy', 1), 0)
})

it('a priority stays within what BullMQ takes', () => {
  const turns = createBacklogTurns({ windowMs: 60_000, perTurn: 1 }, () => 0)
  turns.next('flood', 10_000_000)
  assert.equal(turns.next('flood', 1), 2_097_152)
})
