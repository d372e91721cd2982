import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type BatchOptions, createBatcher, togetherOrEach } from '../../src/platform/batch.ts'
import { AppError } from '../../src/platform/errors.ts'
import { eventually } from '../support/eventually.ts'

type Row = { id: number; bytes?: number; poisoned?: boolean }

class PoisonedRow extends Error {}

/** A group whose statements end when the test says so; `written` is what is committed. */
function createGroup(limits: Partial<BatchOptions<Row, void>> = {}) {
  const statements: Array<{ ids: number[]; commit(): void; fail(error: unknown): void }> = []
  const committed: number[] = []
  const announced: number[][] = []
  let underWay = 0
  let maxUnderWay = 0
  let changed = Promise.withResolvers<void>()

  async function write(rows: Row[]): Promise<void> {
    underWay += 1
    maxUnderWay = Math.max(maxUnderWay, underWay)
    const outcome = Promise.withResolvers<void>()
    statements.push({
      ids: rows.map(({ id }) => id),
      commit: () => {
        committed.push(...rows.map(({ id }) => id))
        outcome.resolve()
      },
      fail: outcome.reject,
    })
    changed.resolve()
    changed = Promise.withResolvers()
    return outcome.promise.finally(() => {
      underWay -= 1
    })
  }

  const group = createBatcher<Row, void>({
    async run(rows) {
      await write(rows)
      announced.push(rows.map(({ id }) => id))
      return rows.map(() => undefined)
    },
    isItemFault: (error) => error instanceof PoisonedRow,
    sizeOf: ({ bytes = 1 }) => bytes,
    maxItems: 4,
    maxSize: 100,
    maxInFlight: 2,
    maxWaiting: 1_000,
    maxWaitingSize: 10_000,
    ...limits,
  })

  return {
    group,
    committed,
    announced,
    maxUnderWay: () => maxUnderWay,
    statementsSoFar: () => statements.length,
    async statement(index: number) {
      for (;;) {
        const found = statements[index]
        if (found !== undefined) return found
        await changed.promise
      }
    },
  }
}

const ids = (count: number, first = 1) => Array.from({ length: count }, (_, index) => ({ id: first + index }))
const outcomeOf = (added: Promise<void>) =>
  added.then(
    () => 'stored' as const,
    () => 'rejected' as const,
  )

describe('a batch of rows', () => {
  it('a batch of rows lets rows that come together share the first statement, and later ones the next', async () => {
    const { group, statement, announced } = createGroup({ maxItems: 10, maxInFlight: 1 })
    const first = ids(3).map(group.add)
    const one = await statement(0)
    assert.deepEqual(one.ids, [1, 2, 3])
    const later = ids(5, 4).map(group.add)
    one.commit()
    await Promise.all(first)
    assert.deepEqual(announced, [[1, 2, 3]])
    const two = await statement(1)
    assert.deepEqual(two.ids, [4, 5, 6, 7, 8])
    two.commit()
    await Promise.all(later)
  })

  it('begins at once for a lone row', async () => {
    const { group, statement } = createGroup()
    const added = group.add({ id: 1 })
    const only = await statement(0)
    assert.deepEqual(only.ids, [1])
    only.commit()
    await added
  })

  it('a batch of rows answers a row after its commit only, and announces it before', async () => {
    const { group, statement, announced } = createGroup()
    let announcedWhenAnswered: number | undefined
    const added = group.add({ id: 1 }).then(() => {
      announcedWhenAnswered = announced.length
    })
    const only = await statement(0)
    await new Promise(setImmediate)
    assert.deepEqual([announcedWhenAnswered, announced], [undefined, []])
    only.commit()
    await added
    assert.equal(announcedWhenAnswered, 1)
  })

  it('bounds a statement by its rows', async () => {
    const { group, statement } = createGroup({ maxItems: 4, maxInFlight: 3 })
    const added = ids(9).map(group.add)
    for (const [index, size] of [4, 4, 1].entries()) {
      const next = await statement(index)
      assert.equal(next.ids.length, size)
      next.commit()
    }
    await Promise.all(added)
  })

  it('bounds a statement by its bytes, and takes a row that is larger alone', async () => {
    const { group, statement } = createGroup({ maxSize: 100, maxInFlight: 10 })
    const sizes = [60, 40, 1, 250, 99, 1, 1]
    const added = sizes.map((bytes, id) => group.add({ id, bytes }))
    for (const [index, expected] of [[0, 1], [2], [3], [4, 5], [6]].entries()) {
      const next = await statement(index)
      assert.deepEqual(next.ids, expected)
      next.commit()
    }
    await Promise.all(added)
  })

  it('a batch of rows has no more statements under way than it may, and starts the next when one ends', async () => {
    const { group, statement, statementsSoFar, maxUnderWay } = createGroup({ maxItems: 1, maxInFlight: 2 })
    const added = ids(5).map(group.add)
    const second = await statement(1)
    await new Promise(setImmediate)
    assert.equal(statementsSoFar(), 2)
    second.commit()
    const third = await statement(2)
    assert.deepEqual(third.ids, [3])
    assert.equal(statementsSoFar(), 3)
    for (const index of [0, 2, 3, 4]) (await statement(index)).commit()
    await Promise.all(added)
    assert.equal(maxUnderWay(), 2)
  })

  it('rejects at once where there is no room for another row', async () => {
    const { group, statement } = createGroup({ maxItems: 1, maxInFlight: 1, maxWaiting: 2 })
    const first = group.add({ id: 1 })
    const one = await statement(0)
    const waiting = [group.add({ id: 2 }), group.add({ id: 3 })]
    await assert.rejects(
      group.add({ id: 4 }),
      (error) => error instanceof AppError && error.kind === 'database_unavailable',
    )
    one.commit()
    const two = await statement(1)
    const admitted = group.add({ id: 5 })
    two.commit()
    for (const index of [2, 3]) (await statement(index)).commit()
    await Promise.all([first, ...waiting, admitted])
  })

  it('rejects at once where there is no room for so many bytes', async () => {
    const { group, statement } = createGroup({ maxItems: 1, maxInFlight: 1, maxWaitingSize: 10 })
    const first = group.add({ id: 1, bytes: 10 })
    const one = await statement(0)
    const second = group.add({ id: 2, bytes: 9 })
    await assert.rejects(group.add({ id: 3, bytes: 2 }))
    const third = group.add({ id: 4, bytes: 1 })
    one.commit()
    ;(await statement(1)).commit()
    const last = await statement(2)
    const fifth = group.add({ id: 5, bytes: 10 })
    last.commit()
    ;(await statement(3)).commit()
    await Promise.all([first, second, third, fifth])
  })

  it('rejects every row of a statement that fails, and goes on with the next', async () => {
    const { group, statement, committed, announced } = createGroup({ maxInFlight: 1 })
    const lost = ids(3).map((row) => outcomeOf(group.add(row)))
    ;(await statement(0)).fail(new Error('the connection broke'))
    assert.deepEqual(await Promise.all(lost), ['rejected', 'rejected', 'rejected'])
    const kept = group.add({ id: 9 })
    ;(await statement(1)).commit()
    await kept
    assert.deepEqual([committed, announced], [[9], [[9]]])
  })

  it('a batch of rows lets a row at fault fail alone', async () => {
    const { group, statement, announced } = createGroup({ maxInFlight: 1 })
    const added = ids(4).map((row) => outcomeOf(group.add(row)))
    ;(await statement(0)).fail(new PoisonedRow())
    for (const id of [1, 2, 3, 4]) {
      const alone = await statement(id)
      assert.deepEqual(alone.ids, [id])
      if (id === 3) alone.fail(new PoisonedRow())
      else alone.commit()
    }
    assert.deepEqual(await Promise.all(added), ['stored', 'stored', 'rejected', 'stored'])
    assert.deepEqual(announced, [[1], [2], [4]])
  })

  it('a batch of rows gives up on the rest where the database goes away while rows are tried one by one', async () => {
    const { group, statement, statementsSoFar } = createGroup({ maxInFlight: 1 })
    const added = ids(4).map((row) => outcomeOf(group.add(row)))
    ;(await statement(0)).fail(new PoisonedRow())
    ;(await statement(1)).commit()
    ;(await statement(2)).fail(new Error('the connection broke'))
    assert.deepEqual(await Promise.all(added), ['stored', 'rejected', 'rejected', 'rejected'])
    assert.equal(statementsSoFar(), 3)
  })

  it('a batch of rows is drained when everything that was added is answered', async () => {
    const { group, statement } = createGroup({ maxItems: 1, maxInFlight: 1 })
    await group.drain()
    const outcomes: string[] = []
    const added = ids(2).map((row) => outcomeOf(group.add(row)).then((outcome) => outcomes.push(outcome)))
    const drained = Promise.all([group.drain(), group.drain()]).then(() => outcomes.slice())
    ;(await statement(0)).commit()
    ;(await statement(1)).fail(new Error('the connection broke'))
    assert.deepEqual(await drained, ['stored', 'rejected'])
    await Promise.all(added)
  })
})

type Arrival = { bytes: number; poisoned: boolean; turns: number }

it('whatever comes in whatever order: each row is answered once, and stored exactly if its answer says so', async () => {
  const arrival = fc.record<Arrival>({
    bytes: fc.integer({ min: 0, max: 12 }),
    poisoned: fc.boolean(),
    turns: fc.integer({ min: 0, max: 2 }),
  })
  const limits = fc.record({
    maxItems: fc.integer({ min: 1, max: 5 }),
    maxSize: fc.integer({ min: 1, max: 20 }),
    maxInFlight: fc.integer({ min: 1, max: 3 }),
    maxWaiting: fc.integer({ min: 1, max: 12 }),
    maxWaitingSize: fc.integer({ min: 12, max: 60 }),
  })
  const property = fc.asyncProperty(
    fc.array(arrival, { maxLength: 40 }),
    limits,
    fc.infiniteStream(fc.constantFrom('commit', 'commit', 'break')),
    fc.scheduler(),
    async (arrivals, bounds, fates, scheduler) => {
      const stored: number[] = []
      let underWay = 0
      const group = createBatcher<Row, void>({
        async run(rows) {
          underWay += 1
          assert.ok(underWay <= bounds.maxInFlight)
          assert.ok(rows.length >= 1 && rows.length <= bounds.maxItems)
          const bytes = rows.reduce((sum, row) => sum + (row.bytes ?? 0), 0)
          assert.ok(rows.length === 1 || bytes <= bounds.maxSize)
          await scheduler.schedule(Promise.resolve())
          underWay -= 1
          if (fates.next().value === 'break') throw new Error('the connection broke')
          if (rows.some(({ poisoned }) => poisoned)) throw new PoisonedRow()
          stored.push(...rows.map(({ id }) => id))
          return rows.map(() => undefined)
        },
        isItemFault: (error) => error instanceof PoisonedRow,
        sizeOf: ({ bytes = 0 }) => bytes,
        ...bounds,
      })
      const outcomes: Array<Promise<'stored' | 'rejected'>> = []
      for (const [id, { turns, ...row }] of arrivals.entries()) {
        for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
        outcomes.push(outcomeOf(group.add({ id, ...row })))
      }
      const drained = group.drain()
      await scheduler.waitFor(drained)
      const told = await Promise.all(outcomes)
      const answeredStored = told.flatMap((outcome, id) => (outcome === 'stored' ? [id] : []))
      assert.deepEqual(
        stored.toSorted((a, b) => a - b),
        answeredStored,
      )
      for (const id of stored) assert.ok(!arrivals[id]?.poisoned)
    },
  )
  await fc.assert(property, { numRuns: 150 })
})

/** Calls whose answers the test gives when it likes. */
function openCalls() {
  const begun: Array<{ items: string[]; answer: () => void }> = []
  let noteBegun = () => {}
  const { add: call } = createBatcher<string, string>({
    run: (items) =>
      new Promise((resolve) => {
        begun.push({ items, answer: () => resolve(items.map((item) => item.toUpperCase())) })
        noteBegun()
      }),
    isItemFault: () => true,
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

it('an item that shares no key with those in flight begins at once, though others wait for theirs', async () => {
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

it('tries each item alone when one may be at fault, and answers all in their order', async () => {
  const tried: string[][] = []
  const run = async (items: string[]) => {
    tried.push(items)
    if (items.includes('bad')) throw new PoisonedRow()
    return items.map((item) => item.toUpperCase())
  }
  const outcomes = await togetherOrEach(['a', 'bad', 'b'], run, (error) => error instanceof PoisonedRow)
  assert.deepEqual(tried, [['a', 'bad', 'b'], ['a'], ['bad'], ['b']])
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.constructor)),
    ['A', PoisonedRow, 'B'],
  )
})

it('an item that waits for long holds up no other that runs alone', async () => {
  const stuck = Promise.withResolvers<never>()
  const ended: string[] = []
  const together = togetherOrEach(
    ['stuck', 'first', 'second'],
    async (items) => {
      if (items.length > 1) throw new Error('other work stood in the way')
      if (items[0] === 'stuck') await stuck.promise
      ended.push(...items)
      return items
    },
    () => true,
    2,
  )
  await eventually(() => assert.deepEqual(ended, ['first', 'second']))
  stuck.reject(new Error('too late'))
  assert.deepEqual(
    (await together).map(({ status }) => status),
    ['rejected', 'fulfilled', 'fulfilled'],
  )
})
