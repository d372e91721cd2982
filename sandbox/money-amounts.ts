const exponents = new Map<string, number>()

/** How many decimals the currency has; 2 when it is unknown. */
function currencyExponent(currency: string): number {
  let exponent = exponents.get(currency)
  if (exponent === undefined) {
    try {
      const format = new Intl.NumberFormat('en', { style: 'currency', currency })
      exponent = format.resolvedOptions().maximumFractionDigits ?? 2
    } catch {
      exponent = 2
    }
    exponents.set(currency, exponent)
  }
  return exponent
}

/** Rounds an amount to what the currency can express. */
export function roundAmount(amount: number, currency: string): number {
  return Number(amount.toFixed(currencyExponent(currency)))
}
