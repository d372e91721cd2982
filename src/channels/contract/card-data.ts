/** The names of the fields that carry card data. */
export const cardFieldNames = ['ccNumber', 'cvc', 'ccExpirationYear', 'ccExpirationMonth', 'ccName']
const cardFields = new Set(cardFieldNames)

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
      for (const value of current) if (isContainer(value)) waiting.push(value)
      continue
    }
    for (const key of Object.keys(current)) {
      const value = current[key]
      if (value === null || value === undefined) continue
      if (cardFields.has(key)) return true
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
      if (!Array.isArray(source) && cardFields.has(key)) continue
      const copy = isContainer(value) ? copyOf(value) : value
      if (isContainer(value)) waiting.push([value, copy as Container])
      define(target, key, copy)
    }
  }
  return result
}

/** Sets a field of its own under any name; plain assignment to `__proto__` would change the object's prototype. */
export function define(target: object, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
    return
  }
  ;(target as Record<string, unknown>)[key] = value
}

const plainCardField = new RegExp(`"(?:${cardFieldNames.join('|')})"\\s*:(?!\\s*null\\b)`)
const eachText = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:(?!\s*null\b))?/g

// Of two keys with the same name the parsed body has only the last, but the text has both.
function mentionsCardData(text: string): boolean {
  if (plainCardField.test(text)) return true
  if (!text.includes('\\u00')) return false
  for (const [, name = '', hasValue] of text.matchAll(eachText)) {
    if (hasValue !== undefined && name.includes('\\') && cardFields.has(JSON.parse(name))) return true
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
