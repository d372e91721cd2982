import type { Percentiles } from './percentiles.ts'

/** One table of results; `raw` is what its rows were made of. */
export type Section = { title: string; rows: Record<string, unknown>[]; raw?: unknown }

/** Prints tables with three significant digits. */
export function printSections(sections: Section[]): void {
  for (const { title, rows } of sections) {
    console.log(`\n${title}`)
    console.table(rows.map(rounded))
  }
}

/** One line about a measurement that has just ended. */
export function progress(row: unknown): string {
  return `  ${JSON.stringify(row, (_key, value) => (typeof value === 'number' ? roundOff(value) : value))}`
}

export function inMilliseconds({ p50, p99, max }: Percentiles) {
  return { 'p50 ms': p50, 'p99 ms': p99, 'max ms': max }
}

function rounded(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? roundOff(value) : value]),
  )
}

function roundOff(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3))
}
