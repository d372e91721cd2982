import { Big } from 'big.js'

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

const digitsByCurrency = new Map<string, number>()

// To build a number format takes longer than everything else that is done with an amount.
function minorDigits(currency: string): number {
  const known = digitsByCurrency.get(currency)
  if (known !== undefined) return known
  const format = new Intl.NumberFormat('en', { style: 'currency', currency })
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2
  digitsByCurrency.set(currency, digits)
  return digits
}
