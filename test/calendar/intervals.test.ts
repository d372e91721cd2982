import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CalendarField, CalendarRange, CalendarValues } from '../../src/calendar/calendar-fields.ts'
import { compress, mergeRanges, type PlannedDay } from '../../src/calendar/intervals.ts'
import { addDays } from '../../src/platform/days.ts'

const firstDay = '2027-02-25'

type Opinion = { value: number; due: boolean } | null

const opinion = fc.option(fc.record({ value: fc.integer({ min: 0, max: 2 }), due: fc.boolean() }), {
  freq: 3,
})
const day = fc.record({ units: opinion, minStay: opinion, gap: fc.boolean() })
const days = fc.array(day, { maxLength: 8 }).map((entries): PlannedDay[] =>
  entries.flatMap(({ units, minStay, gap }, index) =>
    gap && index % 3 === 2
      ? []
      : [
          {
            day: addDays(firstDay, index),
            due: valuesOf({ units, minStay }, (opinion) => opinion?.due === true),
            allowed: valuesOf({ units, minStay }, (opinion) => opinion !== null),
          },
        ],
  ),
)

function valuesOf(opinions: Record<string, Opinion>, wanted: (opinion: Opinion) => boolean): CalendarValues {
  return Object.fromEntries(
    Object.entries(opinions).flatMap(([field, opinion]) =>
      opinion !== null && wanted(opinion) ? [[field, opinion.value]] : [],
    ),
  )
}

/** The least number of intervals, found by trying every way to cut the days into stretches. */
function leastIntervals(planned: PlannedDay[]): number {
  const least = [0]
  for (let end = 1; end <= planned.length; end += 1) {
    const isIdle = Object.keys(planned[end - 1]?.due ?? {}).length === 0
    least[end] = isIdle ? (least[end - 1] ?? 0) : Number.POSITIVE_INFINITY
    for (let start = 0; start < end; start += 1) {
      if (fitsOneInterval(planned.slice(start, end))) {
        least[end] = Math.min(least[end] ?? Number.POSITIVE_INFINITY, (least[start] ?? 0) + 1)
      }
    }
  }
  return least[planned.length] ?? 0
}

function fitsOneInterval(stretch: PlannedDay[]): boolean {
  const isUnbroken = stretch.every(({ day }, index) => day === addDays(stretch[0]?.day ?? '', index))
  const needed: CalendarValues = Object.assign({}, ...stretch.map(({ due }) => due))
  const fields = Object.keys(needed) as CalendarField[]
  return (
    isUnbroken && stretch.every(({ allowed }) => fields.every((field) => allowed[field] === needed[field]))
  )
}

function apply(ranges: CalendarRange[]): Map<string, CalendarValues> {
  const painted = new Map<string, CalendarValues>()
  for (const { from, to, values } of ranges) {
    for (let at = from; at <= to; at = addDays(at, 1)) painted.set(at, { ...painted.get(at), ...values })
  }
  return painted
}

test('the intervals tell everything due, nothing that is not allowed, and are as few as can be', () => {
  fc.assert(
    fc.property(days, (planned) => {
      const intervals = compress(planned)
      const painted = apply(intervals)
      const byDay = new Map(planned.map((entry) => [entry.day, entry]))
      for (const { day, due } of planned)
        assert.deepEqual({ ...painted.get(day), ...due }, painted.get(day) ?? {})
      for (const [day, values] of painted) {
        const allowed = byDay.get(day)?.allowed
        assert.ok(allowed, `${day} was never planned`)
        assert.deepEqual({ ...allowed, ...values }, allowed)
      }
      assert.equal(intervals.length, leastIntervals(planned))
    }),
    { numRuns: 2_000 },
  )
})

test('intervals do not reach beyond the last night that is due, nor carry a field that none of theirs needs', () => {
  const night = (index: number, due: CalendarValues, allowed: CalendarValues): PlannedDay => ({
    day: addDays(firstDay, index),
    due,
    allowed,
  })
  const intervals = compress([
    night(0, {}, { price: '90', units: 1 }),
    night(1, { price: '90' }, { price: '90', units: 1 }),
    night(2, {}, { price: '90', units: 1 }),
    night(3, { price: '90' }, { price: '90' }),
    night(4, {}, { price: '90' }),
  ])
  assert.deepEqual(intervals, [
    { from: addDays(firstDay, 1), to: addDays(firstDay, 3), values: { price: '90' } },
  ])
})

test('merged ranges do not overlap and say on every day what the last range to speak said', () => {
  const range = fc
    .record({
      from: fc.integer({ min: 0, max: 12 }),
      length: fc.integer({ min: 0, max: 8 }),
      units: fc.option(fc.integer({ min: 0, max: 1 }), { nil: undefined }),
      minStay: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    })
    .map(
      ({ from, length, units, minStay }): CalendarRange => ({
        from: addDays(firstDay, from),
        to: addDays(firstDay, from + length),
        values: { ...(units === undefined ? {} : { units }), ...(minStay === undefined ? {} : { minStay }) },
      }),
    )
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), (ranges) => {
      const merged = mergeRanges(ranges)
      assert.deepEqual(
        apply(merged),
        new Map([...apply(ranges)].toSorted(([left], [right]) => (left < right ? -1 : 1))),
      )
      merged.forEach(({ from }, index) => {
        const before = merged[index - 1]
        assert.ok(before === undefined || before.to < from)
      })
    }),
  )
})
