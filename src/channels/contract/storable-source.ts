import { storableText } from '../../platform/storable-text.ts'
import { define, withoutCardData } from './card-data.ts'
import { isRecord } from './field-reader.ts'

const deepest = 40

/**
 * A copy of an object of the channel's that can be stored as jsonb and re-read at any time: without card data, without
 * what Postgres refuses in text, and without anything nested deeper than `deepest` levels (`cut` says that there was).
 */
export function storableSource(source: Record<string, unknown>): {
  source: Record<string, unknown>
  cut: boolean
} {
  let cut = false
  function copy(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return storableText(value)
    // 1e400 becomes Infinity, which JSON would turn into null: as if nothing had been sent.
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
    if (typeof value === 'boolean' || value === null) return value
    if (depth >= deepest) {
      cut = true
      return null
    }
    if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1))
    return isRecord(value) ? copyRecord(value, depth) : null
  }
  function copyRecord(record: Record<string, unknown>, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    for (const key of Object.keys(record)) {
      if (record[key] !== undefined) define(result, storableText(key), copy(record[key], depth + 1))
    }
    return result
  }
  const { body } = withoutCardData(source)
  return { source: copyRecord(isRecord(body) ? body : {}, 0), cut }
}
