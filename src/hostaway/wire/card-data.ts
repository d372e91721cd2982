const cardFields = new Set(['ccNumber', 'cvc', 'ccExpirationYear', 'ccExpirationMonth', 'ccName'])

type Container = Record<string, unknown> | unknown[]

/**
 * A parsed JSON body without the fields of payment cards, wherever in the tree they are.
 * `found` says whether one of them had a value; the body is the very same object when none had.
 */
export function withoutCardData(body: unknown): { body: unknown; found: boolean } {
  if (!isContainer(body) || !carriesCardData(body)) return { body, found: false }
  return { body: copyWithoutCardData(body), found: true }
}

// Both walks keep their own stack: a body of a million brackets must not overflow the call stack.
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

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null
}
