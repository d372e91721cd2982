import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { addDays, dayIn, daysBetween, eachDay, isDay } from '../../src/platform/days.ts'

const day = fc
  .date({ min: new Date('1000-01-01'), max: new Date('9990-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10))
const distance = fc.integer({ min: -3_000, max: 3_000 })

it('every day of the calendar is a day, and no other text', () => {
  fc.assert(fc.property(day, (text) => isDay(text)))
  const others = ['2027-02-29', '2027-13-01', '2027-00-10', '0000-01-01', '2027-1-1', ' 2027-01-01']
  for (const text of [...others, '2027-01-01T00:00', '+12027-01-01', '', 20270101, null]) {
    assert.equal(isDay(text), false, String(text))
  }
  assert.ok(isDay('2028-02-29') && isDay('0001-01-01') && isDay('9999-12-31'))
})

it('adding days and counting them are inverse, whatever the distance', () => {
  fc.assert(
    fc.property(day, distance, (from, days) => {
      const to = addDays(from, days)
      assert.ok(isDay(to))
      assert.equal(daysBetween(from, to), days)
      assert.equal(daysBetween(to, from), 0 - days)
      assert.equal(addDays(to, -days), from)
      assert.equal(from < to, days > 0)
    }),
  )
})

it('a range has each of its days once and in order, both ends included', () => {
  fc.assert(
    fc.property(day, fc.integer({ min: -5, max: 800 }), (from, days) => {
      const range = eachDay(from, addDays(from, days))
      assert.equal(range.length, Math.max(0, days + 1))
      for (const [index, each] of range.entries()) assert.equal(each, addDays(from, index))
    }),
  )
  assert.deepEqual(eachDay('9999-12-30', '9999-12-31'), ['9999-12-30', '9999-12-31'])
})

it('the day of an instant is the one on the clocks of the time zone', () => {
  const at = new Date('2027-03-31T23:30:00Z')
  assert.equal(dayIn('Europe/Lisbon', at), '2027-04-01')
  assert.equal(dayIn('America/New_York', at), '2027-03-31')
  assert.equal(dayIn(null, at), '2027-03-31')
  fc.assert(
    fc.property(day, fc.integer({ min: 0, max: 86_399 }), (text, second) => {
      assert.equal(dayIn('UTC', new Date(Date.parse(text) + second * 1_000)), text)
    }),
  )
})
