// Every spelling of the names under which card data travels, without case, spaces, dots, dashes and underscores.
const cardName =
  /^(?:pan|cvc2?|cvv2?|csc|cardsecuritycode|(?:virtual)?(?:credit|debit)card|vcc)$|^(?:guest)?cc(?:num|no$|name|exp|cvc|cvv|csc|type)|(?:card|credit)(?:holder|num|no$|name|exp|cvc|cvv|csc|pin|code)/

/** Whether a field of this name carries data of a payment card, which is never stored under any spelling. */
export function isCardField(name: string): boolean {
  return cardName.test(name.toLowerCase().replaceAll(/[\s._-]/g, ''))
}

const digitRun = /(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]*\d)/g
// Issuers: Visa, Mastercard, Amex, Diners, JCB, Discover, Maestro and UnionPay.
const issued = /^(?:4|5[0-8]|2[2-7]|3[0-9]|6[0-9])/

/** A text with every number of a payment card in it replaced: 13 to 19 digits of an issuer whose check digit is right. */
export function withoutCardNumbers(text: string): string {
  if (text.length < 13) return text
  return text.replaceAll(digitRun, (run) => {
    const digits = run.replaceAll(/[ -]/g, '')
    return issued.test(digits) && hasCheckDigit(digits) ? `[card number ending in ${digits.slice(-4)}]` : run
  })
}

// The formula of Luhn.
function hasCheckDigit(digits: string): boolean {
  let sum = 0
  for (const [index, digit] of [...digits].reverse().entries()) {
    const doubled = Number(digit) * (1 + (index % 2))
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

// What identifies something may look like the number of a card by chance.
const idName = /(?:id|ids|code|phone|mobile|hash|token|url|link|uuid|reference)$/i

type Container = Record<string, unknown> | unknown[]

/**
 * The text of a JSON body as it may be kept: as received where it holds no card data, otherwise serialised again without
 * it. `body` is what the text parses to.
 */
export function textWithoutCardData(text: string, body: unknown): string {
  // The text says all that the parsed body says, and is searched in a third of the time.
  if (!isContainer(body) || !mentionsCardData(text)) return text
  return writeJson(copyWithoutCardData(body))
}

/**
 * A parsed JSON body without the fields of payment cards, wherever in the tree they are.
 * `found` says whether one of them had a value; the body is the very same object when none had.
 */
export function withoutCardData(body: unknown): { body: unknown; found: boolean } {
  if (!isContainer(body) || !carriesCardData(body)) return { body, found: false }
  return { body: copyWithoutCardData(body), found: true }
}

// The walks and the writer keep their own stack: a body of a million brackets must not overflow the call stack.
function carriesCardData(root: Container): boolean {
  const waiting: Container[] = [root]
  for (let current = waiting.pop(); current !== undefined; current = waiting.pop()) {
    if (Array.isArray(current)) {
      for (const value of current) {
        if (isContainer(value)) waiting.push(value)
        else if (isTextOfCard('', value)) return true
      }
      continue
    }
    for (const key of Object.keys(current)) {
      const value = current[key]
      if (value === null || value === undefined) continue
      if (isCardField(key) || isTextOfCard(key, value)) return true
      if (isContainer(value)) waiting.push(value)
    }
  }
  return false
}

function copyWithoutCardData(root: Container): Container {
  const copyOf = (source: Container): Container => (Array.isArray(source) ? [] : {})
  const result = copyOf(root)
  const waiting: Array<[Container, Container]> = [[root, result]]
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const [source, target] = pair
    for (const [key, value] of Object.entries(source)) {
      if (!Array.isArray(source) && isCardField(key)) continue
      const copy = isContainer(value) ? copyOf(value) : keptValue(Array.isArray(source) ? '' : key, value)
      if (isContainer(value)) waiting.push([value, copy as Container])
      define(target, key, copy)
    }
  }
  return result
}

function keptValue(name: string, value: unknown): unknown {
  return typeof value === 'string' && !idName.test(name) ? withoutCardNumbers(value) : value
}

function isTextOfCard(name: string, value: unknown): boolean {
  return typeof value === 'string' && keptValue(name, value) !== value
}

/** Sets a field of its own under any name; plain assignment to `__proto__` would change the object's prototype. */
export function define(target: object, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
    return
  }
  ;(target as Record<string, unknown>)[key] = value
}

// Every name that `cardName` knows begins or holds one of these; the names are read only where one is mentioned.
const mention =
  /"\s*(?:guest[\s._-]*)?(?:c[\s._-]*c|pan|cv[cv]|csc|vcc)[^"]{0,30}"\s*:|(?:c[\s._-]?a[\s._-]?r[\s._-]?d|credit)[^"]{0,40}"\s*:/i
const anyDigits = /\d(?:[ -]?\d){12,18}/
const eachText = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:(?!\s*null\b))?/g

// Of two keys with the same name the parsed body has only the last, but the text has both.
function mentionsCardData(text: string): boolean {
  const mayHaveNumber = anyDigits.test(text)
  if (!mayHaveNumber && !mention.test(text) && !text.includes('\\u00')) return false
  for (const [, name = '', hasValue] of text.matchAll(eachText)) {
    const words = name.includes('\\') ? (JSON.parse(name) as string) : name.slice(1, -1)
    if (hasValue === undefined ? withoutCardNumbers(words) !== words : isCardField(words)) return true
  }
  return false
}

type Step = { text: string } | { value: unknown }

function writeJson(root: Container): string {
  const parts: string[] = []
  const steps: Step[] = [{ value: root }]
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    if ('text' in step) parts.push(step.text)
    else if (!isContainer(step.value)) parts.push(JSON.stringify(step.value))
    else {
      const list = Array.isArray(step.value)
      const entries = Object.entries(step.value)
      parts.push(list ? '[' : '{')
      steps.push({ text: list ? ']' : '}' })
      // The last step that is pushed is the first to be taken.
      for (const [index, [key, value]] of [...entries.entries()].reverse()) {
        const comma = index === 0 ? '' : ','
        steps.push({ value }, { text: list ? comma : `${comma}${JSON.stringify(key)}:` })
      }
    }
  }
  return parts.join('')
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null
}
