import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { ReservationPage } from '../../src/channels/contract/channel.ts'
import type { Reservation } from '../../src/channels/contract/reservation.ts'
import { parseReservation } from '../../src/channels/hostaway/wire/wire-reservation.ts'
import { cursorOf, startWalk, takePage, type Walk } from '../../src/polling/walk.ts'

type Row = { id: number; second: number }

const pageSize = 4
const firstMoment = Date.UTC(2027, 0, 1)

/** A list of reservations as Hostaway shows it: newest change first, pages begin behind a reservation. */
function createList(rows: Row[]) {
  let second = Math.max(0, ...rows.map((row) => row.second))
  let lastId = Math.max(0, ...rows.map(({ id }) => id))
  const gone = new Map<number, Row>()
  const list = {
    rows,
    calls: 0,
    inOrder: () => list.rows.toSorted((a, b) => b.second - a.second || b.id - a.id),
    change(index: number) {
      const row = list.rows[index % list.rows.length]
      second += 1
      if (row !== undefined) row.second = second
    },
    /** `place` is by the order of the list, so that the next cursor is hit as well. */
    remove(place: number) {
      const row = list.inOrder()[place % Math.max(1, list.rows.length)]
      if (row === undefined) return
      gone.set(row.id, row)
      list.rows = list.rows.filter(({ id }) => id !== row.id)
    },
    add() {
      second += 1
      lastId += 1
      list.rows.push({ id: lastId, second })
    },
    page(afterId: string | undefined): ReservationPage {
      list.calls += 1
      const ordered = list.inOrder()
      const cursor = list.rows.find(({ id }) => String(id) === afterId)
      // Behind a reservation that it does not know any more there is nothing.
      const start =
        afterId === undefined ? 0 : cursor === undefined ? ordered.length : ordered.indexOf(cursor) + 1
      const shown = ordered.slice(start, start + pageSize)
      return {
        reservations: shown.map(toReservation),
        unreadable: 0,
        limit: pageSize,
        count: ordered.length,
        last: shown.length < pageSize,
      }
    },
  }
  return list
}

function toReservation({ id, second }: Row): Reservation {
  const updatedOn = new Date(firstMoment + second * 1_000).toISOString()
  const { reservation } = parseReservation({ id, updatedOn })
  assert.ok(reservation)
  return reservation
}

const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, index) => ({ id: index + 1, second: index + 1 }))

/** Reads until the walk ends, with something happening before each page. */
function readThrough(list: ReturnType<typeof createList>, from: Walk, meanwhile = () => {}) {
  const seen = new Map<string, number>()
  let walk = from
  for (let calls = 0; calls < 1_000; calls += 1) {
    const step = takePage(walk, list.page(cursorOf(walk)))
    // As it is stored between two pages.
    walk = JSON.parse(JSON.stringify(step.walk))
    if (step.again) continue
    for (const { id, updatedOn } of step.take) seen.set(id, updatedOn?.getTime() ?? 0)
    if (step.ended) return { walk, seen }
    meanwhile()
  }
  throw new Error('the walk does not end')
}

const happening = fc.oneof(
  fc.record({ what: fc.constant('change' as const), at: fc.nat(60) }),
  fc.record({ what: fc.constant('remove' as const), at: fc.nat(8) }),
  fc.record({ what: fc.constant('add' as const), at: fc.constant(0) }),
)

it('a walk and the passes after it see every reservation in its newest version, whatever happens between pages', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }),
      fc.array(fc.array(happening, { maxLength: 6 }), { maxLength: 30 }),
      (count, happenings) => {
        const turns = [...happenings]
        const list = createList(rowsOf(count))
        const seen = new Map<string, number>()
        let isQuiet = true
        const meanwhile = () => {
          const turn = turns.shift() ?? []
          for (const { what, at } of turn) list[what](at)
          isQuiet &&= turn.length === 0
        }
        let from = startWalk(null)
        for (let pass = 0; ; pass += 1) {
          isQuiet = true
          const read = readThrough(list, from, meanwhile)
          const isNews = [...read.seen].some(([id, at]) => seen.get(id) !== at)
          for (const [id, at] of read.seen) seen.set(id, at)
          // What happens during the last pass is for reconciliation to find.
          if ((pass > 0 && !isNews && isQuiet) || read.walk.newestSeen === null) break
          from = startWalk(new Date(read.walk.newestSeen))
        }
        for (const { id, second } of list.rows) {
          assert.equal(seen.get(String(id)), firstMoment + second * 1_000, `reservation ${id}`)
        }
      },
    ),
    { numRuns: 500 },
  )
})

it('an unchanged list costs one call per page, and two more where the last page is full', () => {
  for (const [count, calls] of [
    [0, 1],
    [3, 1],
    [4, 3],
    [9, 3],
    [12, 5],
  ] as const) {
    const list = createList(rowsOf(count))
    const { seen } = readThrough(list, startWalk(null))
    assert.equal(seen.size, count)
    assert.equal(list.calls, calls, `${count} reservations`)
  }
})

it('a pass stops at what had changed before its bound', () => {
  const list = createList(rowsOf(30))
  const downTo = new Date(firstMoment + 28_000)
  const { seen } = readThrough(list, startWalk(downTo))
  assert.deepEqual([...seen.keys()].sort(), ['28', '29', '30'])
  assert.equal(list.calls, 1)
})

it('a last reservation that changes before the next page is asked for costs one call, not the way from the top', () => {
  const list = createList(rowsOf(22))
  let turns = 0
  const { seen } = readThrough(list, startWalk(null), () => {
    turns += 1
    // The last of the second page.
    if (turns === 2) list.change(list.rows.findIndex(({ id }) => id === 15))
  })
  assert.equal(seen.size, 22)
  assert.equal(list.calls, 7)
})

it('where all the last reservations are gone the list is read from its top, and nothing is left out', () => {
  const list = createList(rowsOf(22))
  let turns = 0
  const { seen } = readThrough(list, startWalk(null), () => {
    turns += 1
    if (turns === 2) list.rows = list.rows.filter(({ id }) => id > 18 || id < 15)
  })
  assert.ok(list.rows.every(({ id }) => seen.has(String(id))))
})

it('a list that goes on behind none of its reservations is no list', () => {
  const list = createList(rowsOf(22))
  const page = (afterId: string | undefined) => ({
    ...list.page(afterId),
    ...(afterId === undefined ? {} : { reservations: [], last: true }),
  })
  assert.throws(() => {
    let walk = startWalk(null)
    for (let call = 0; call < 100; call += 1) walk = takePage(walk, page(cursorOf(walk))).walk
  }, /continues behind none/)
})
