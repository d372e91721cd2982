import { Big } from 'big.js'
import { code } from 'currency-codes'

/** An amount as decimal text with exactly the currency's digits, and as integer minor units. */
export type Money = { total: string; minor: string; currency: string }

const currencyPattern = /^[A-Z]{3}$/

/**
 * Rounds a decimal amount to the currency's ISO 4217 exponent, half up (away from zero). Undefined where the
 * currency is not a code or the minor units are more than a JSON number holds exactly.
 */
export function toMoney(amount: string, currency: string): Money | undefined {
  if (!currencyPattern.test(currency)) return undefined
  const digits = minorDigits(currency)
  const total = new Big(amount).round(digits, Big.roundHalfUp)
  const minor = total.times(new Big(10).pow(digits))
  if (minor.abs().gt(Number.MAX_SAFE_INTEGER)) return undefined
  return { total: total.toFixed(digits), minor: minor.toFixed(0), currency }
}

/** An amount as decimal text. A number is taken without the noise of its last bit, so 0.1 + 0.2 is 0.3; text is exact. */
export function amountText(amount: number | string): string {
  return new Big(typeof amount === 'number' ? amount.toPrecision(15) : amount).toFixed()
}

// The table of ISO 4217 itself: the formats of a locale round some currencies more than banks do.
function minorDigits(currency: string): number {
  return code(currency)?.digits ?? 2
}
