const textOid = 25
const headerInts = 5

/**
 * A parameter for `::text[]` in PostgreSQL's binary form. Written as text, an array escapes every quotation mark, of
 * which JSON is full, and the server reads it back character by character.
 */
export function textArray(values: readonly string[]): Buffer {
  const lengths = values.map((value) => Buffer.byteLength(value))
  const bytes = lengths.reduce((sum, length) => sum + 4 + length, headerInts * 4)
  const array = Buffer.allocUnsafe(bytes)
  // One dimension, no nulls, of text, so many elements, counted from 1.
  let offset = 0
  for (const header of [1, 0, textOid, values.length, 1]) offset = array.writeInt32BE(header, offset)
  for (const [index, value] of values.entries()) {
    offset = array.writeInt32BE(lengths[index] ?? 0, offset)
    offset += array.write(value, offset)
  }
  return array
}
