import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { amountText, toMoney } from '../../src/mapping/money.ts'

const exponents: Array<[currency: string, digits: number]> = [
  ['EUR', 2],
  ['USD', 2],
  ['JPY', 0],
  ['ISK', 0],
  ['KWD', 3],
  ['BHD', 3],
]

const maxFraction = 8

it('an amount is rounded half up to the exponent of its currency, as integers would', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...exponents),
      fc.bigInt({ min: 0n, max: 10n ** 12n }),
      fc.integer({ min: 0, max: maxFraction }),
      fc.boolean(),
      ([currency, digits], units, fractionDigits, negative) => {
        const written = decimalText(units, fractionDigits)
        const money = toMoney(negative ? `-${written}` : written, currency)
        const scale = 10n ** BigInt(fractionDigits)
        // Twice the amount and one more, halved: half up without ever leaving the integers.
        const minor = (2n * units * 10n ** BigInt(digits) + scale) / (2n * scale)
        const sign = negative && minor > 0n ? '-' : ''
        assert.equal(money?.minor, `${sign}${minor}`)
        assert.equal(money?.total, `${sign}${decimalText(minor, digits)}`)
        assert.equal(money?.currency, currency)
      },
    ),
    { numRuns: 500 },
  )
})

it('the classic traps of binary fractions are rounded as people do', () => {
  const minorOf = (amount: string, currency: string) => toMoney(amount, currency)?.minor
  assert.equal(minorOf('1.005', 'EUR'), '101')
  assert.equal(minorOf('2.675', 'EUR'), '268')
  assert.equal(minorOf('0.1', 'EUR'), '10')
  assert.equal(minorOf('1234.5', 'JPY'), '1235')
  assert.equal(minorOf('0.0005', 'KWD'), '1')
  assert.equal(minorOf('-1.005', 'EUR'), '-101')
})

it('what is no currency code, or too large for a number in JSON, is no money', () => {
  assert.equal(toMoney('1', 'EURO'), undefined)
  assert.equal(toMoney('1', 'eur'), undefined)
  assert.equal(toMoney('90071992547409.92', 'EUR'), undefined)
  assert.equal(toMoney('-90071992547409.92', 'EUR'), undefined)
  assert.equal(toMoney('90071992547409.91', 'EUR')?.minor, String(Number.MAX_SAFE_INTEGER))
})

it('a code that no country uses counts in hundredths', () => {
  assert.deepEqual(toMoney('1.5', 'XQZ'), { total: '1.50', minor: '150', currency: 'XQZ' })
})

function decimalText(units: bigint, digits: number): string {
  if (digits === 0) return String(units)
  const text = String(units).padStart(digits + 1, '0')
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

it('a number is taken without the noise of its last bit, and has the decimals of ISO 4217', () => {
  assert.equal(amountText(0.1 + 0.2), '0.3')
  assert.equal(amountText(103.935), '103.935')
  assert.equal(amountText('0.30000000000000004'), '0.30000000000000004')
  const digits = Object.fromEntries(
    ['HUF', 'IQD', 'AFN', 'JPY', 'CLF', 'EUR'].map((currency) => [currency, toMoney('1', currency)?.total]),
  )
  assert.deepEqual(digits, { HUF: '1.00', IQD: '1.000', AFN: '1.00', JPY: '1', CLF: '1.0000', EUR: '1.00' })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 9 }), fc.integer({ min: 0, max: 10 ** 9 }), (one, other) => {
      assert.equal(amountText(one / 100 + other / 100), amountText(decimalText(BigInt(one + other), 2)))
    }),
  )
})
