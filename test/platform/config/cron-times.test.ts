import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCron, wasDueSince } from '../../../src/platform/config/cron-times.ts'

const at = (text: string) => new Date(`2027-03-${text}Z`)

const cases: Array<[expression: string, last: string, now: string, due: boolean]> = [
  ['*/15 * * * *', '01T10:14:59', '01T10:15:00', true],
  ['*/15 * * * *', '01T10:15:00', '01T10:29:59', false],
  ['0 * * * *', '01T10:59:59', '01T11:00:30', true],
  ['0 0 * * *', '01T00:00:00', '01T23:59:59', false],
  ['0 0 * * *', '01T00:00:00', '02T00:00:00', true],
  ['30 4 1,15 * *', '14T23:00:00', '15T04:30:01', true],
  ['0 9 * * 1-5', '06T08:00:00', '07T23:00:00', false],
  ['0 9 * * 1-5', '07T08:00:00', '08T09:00:00', true],
  ['0 9 * * 0', '06T08:00:00', '07T09:00:00', true],
  ['0 9 * * 7', '06T08:00:00', '07T09:00:00', true],
  ['0 0 13 * 5', '12T00:00:00', '12T12:00:00', false],
  ['0 0 13 * 5', '04T12:00:00', '05T00:00:00', true],
  ['*/20 * * * * *', '01T10:00:01', '01T10:00:20', true],
  ['*/20 * * * * *', '01T10:00:20', '01T10:00:39', false],
]

for (const [expression, last, now, due] of cases) {
  test(`${expression} is ${due ? '' : 'not '}due between ${last} and ${now}`, () => {
    assert.equal(wasDueSince(parseCron(expression), at(last), at(now)), due)
  })
}

for (const expression of ['* * * *', '60 * * * *', 'x * * * *', '5-1 * * * *', '*/0 * * * *', '* * 0 * *']) {
  test(`${expression} is refused`, () => {
    assert.throws(() => parseCron(expression), /is not a cron expression/)
  })
}
