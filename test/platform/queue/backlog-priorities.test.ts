import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createBacklogPriorities } from '../../../src/platform/queue/backlog-priorities.ts'

it('each 64 items of a tenant put its next ones a place further back, and a quiet minute brings it to the front', () => {
  let time = 600_000
  const priorities = createBacklogPriorities({ windowMs: 60_000, perStep: 64 }, () => time)
  assert.deepEqual(
    Array.from({ length: 4 }, () => priorities.next('busy', 64)),
    [0, 1, 2, 3],
  )
  assert.equal(priorities.next('quiet', 1), 0)
  time += 90_000
  assert.equal(priorities.next('busy', 64), 2)
  time += 120_000
  assert.equal(priorities.next('busy', 1), 0)
})

it('a priority stays within what BullMQ takes', () => {
  const priorities = createBacklogPriorities({ windowMs: 60_000, perStep: 1 }, () => 0)
  priorities.next('flood', 10_000_000)
  assert.equal(priorities.next('flood', 1), 2_097_152)
})
