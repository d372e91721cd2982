import type { Page } from './hostaway-answers.ts'
import type { JsonObject } from './json-text.ts'
import { wholeNumber } from './request-reading.ts'

const defaultLimit = 100
const mostPerPage = 500

export function limitFrom(query: Record<string, string>): number {
  return Math.min(mostPerPage, Math.max(1, wholeNumber(query, 'limit') ?? defaultLimit))
}

/** One page by `limit` and `offset`; the offset is echoed only if it was sent. */
export function pageByOffset<Row>(
  rows: Row[],
  query: Record<string, string>,
  show: (row: Row) => JsonObject,
): Page {
  const limit = limitFrom(query)
  const offset = wholeNumber(query, 'offset')
  const start = offset ?? 0
  return {
    rows: rows.slice(start, start + limit).map(show),
    limit,
    offset: offset ?? null,
    count: rows.length,
  }
}
