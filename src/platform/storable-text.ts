/** Text as Postgres can store it: without NUL, and with U+FFFD for each lone surrogate. */
export function storableText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '') : text).toWellFormed()
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/** A value that Postgres refuses; `field` is its path with dots, empty for the whole value. */
export type Unstorable = { field: string; message: string }

const badText = 'must not contain NUL or a lone surrogate'
const badNumber = 'is too large a number'

/** Every text, name and number of parsed JSON that Postgres refuses; JSON.parse makes 1e400 infinite. Never throws. */
export function findUnstorable(parsed: unknown): Unstorable[] {
  const unstorable: Unstorable[] = []
  // A stack of its own: deeply nested JSON would exhaust the stack of calls.
  const open: Array<{ value: object; field: string }> = []
  const look = (value: unknown, field: string) => {
    if (typeof value === 'object' && value !== null) open.push({ value, field })
    else if (typeof value === 'string' && !isStorable(value)) unstorable.push({ field, message: badText })
    else if (typeof value === 'number' && !Number.isFinite(value))
      unstorable.push({ field, message: badNumber })
  }
  look(parsed, '')
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, field } = next
    for (const [name, entry] of Object.entries(value)) {
      const at = field === '' ? storableText(name) : `${field}.${storableText(name)}`
      if (!isStorable(name)) unstorable.push({ field: at, message: badText })
      look(entry, at)
    }
  }
  return unstorable
}
