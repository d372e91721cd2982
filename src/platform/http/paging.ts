import { type TSchema, Type } from 'typebox'
import { Problem } from './problems.ts'

/** Query parameters that every list takes. */
export const pageQuery = {
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Rows per page.' }),
  cursor: Type.Optional(
    Type.String({ maxLength: 400, description: '`nextCursor` of the page before, with the same filters.' }),
  ),
}

/** Shape of every list's answer; `nextCursor` is null at the end. */
export function pageOf<Item extends TSchema>(item: Item) {
  return Type.Object({ data: Type.Array(item), nextCursor: Type.Union([Type.String(), Type.Null()]) })
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** True for text that Postgres accepts as a uuid; anything else would be an error of the statement, not a miss. */
export function isUuid(text: string): boolean {
  return uuidPattern.test(text)
}

/** Reads a cursor that is the id of the last row of the page before. */
export function cursorId(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined
  if (!isUuid(cursor)) {
    throw new Problem(422, 'INVALID_CURSOR', 'cursor must be the nextCursor of an earlier answer')
  }
  return cursor
}

/** Cuts a list that was read with one row more than asked for into a page. */
export function toPage<Row, Item>(
  rows: Row[],
  limit: number,
  idOf: (row: Row) => string,
  toItem: (row: Row) => Item,
): { data: Item[]; nextCursor: string | null } {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    data: page.map(toItem),
    nextCursor: rows.length > limit && last !== undefined ? idOf(last) : null,
  }
}
