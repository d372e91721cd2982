const textOid = 25
const headerInts = 5
const nullLength = -1

/**
 * A parameter for `::text[]` in PostgreSQL's binary form; bytes are text in UTF-8. Written as text, an array escapes
 * every quotation mark, of which JSON is full, and the server reads it back character by character.
 */
export function textArray(values: ReadonlyArray<string | Buffer | null>): Buffer {
  const lengths = values.map((value) => (value === null ? nullLength : Buffer.byteLength(value)))
  const bytes = lengths.reduce((sum, length) => sum + 4 + Math.max(0, length), headerInts * 4)
  const array = Buffer.allocUnsafe(bytes)
  // One dimension, perhaps with nulls, of text, so many elements, counted from 1.
  let offset = 0
  for (const header of [1, 1, textOid, values.length, 1]) offset = array.writeInt32BE(header, offset)
  for (const [index, value] of values.entries()) {
    offset = array.writeInt32BE(lengths[index] ?? nullLength, offset)
    if (value !== null)
      offset += typeof value === 'string' ? array.write(value, offset) : value.copy(array, offset)
  }
  return array
}
