import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export type Violation = { rule: HouseRule; file: string; found: string }

export type HouseRule =
  | 'a table has one owner'
  | 'a table has few writers'
  | 'config reads the environment'
  | 'queues.ts names the queues'
  | 'basenames are unique'
  | 'files stay short'
  | 'tests mirror the product'

const maxLines = 400

// Names that a tool looks for, so that every folder may need its own.
const namesThatRepeat = new Set(['README.md', '.gitignore', 'index.html', 'package.json', 'module.ts'])

// What tests try beside the folders of src, and what they share.
const otherTestFolders = new Set([
  'app',
  'bench',
  'chaos',
  'client',
  'local',
  'repo',
  'sandbox',
  'support',
  'workers',
])

/** The folder that alone writes a table. Reading is free: a query may join what it needs. */
export const tableOwners: Record<string, string> = {
  tenants: 'src/tenants',
  api_tokens: 'src/tenants',
  scheduled_runs: 'src/platform/db',
  idempotency_keys: 'src/platform/db',
  hostaway_call_windows: 'src/platform/limiter',
  hostaway_call_waiters: 'src/platform/limiter',
  hostaway_connections: 'src/connections',
  mapping_specs: 'src/mapping',
  listings: 'src/listings',
  webhook_logs: 'src/webhooks',
  calendar_days: 'src/calendar',
  parked_desired: 'src/calendar',
  listing_pushes: 'src/calendar',
  connection_pushes: 'src/calendar',
  bookings: 'src/bookings',
  availability_blocks: 'src/bookings',
  hostaway_booking_queue: 'src/bookings',
  booking_pushes: 'src/bookings',
  booking_push_steps: 'src/bookings',
  booking_remaps: 'src/bookings',
  imports: 'src/polling',
  reconciles: 'src/polling',
  reservation_fetches: 'src/polling',
  polling_leases: 'src/polling',
  event_outbox: 'src/outbox',
  dead_letter_queue: 'src/dead-letters',
}
const maxWriters = 3
// Tables whose writers are fewer on purpose.
const fewerWriters: Record<string, number> = { dead_letter_queue: 1 }

const writeMarks =
  /\b(?:insertInto|replaceInto|updateTable|deleteFrom|mergeInto)\s*\(\s*['"]([a-z_]+)|\b(?:insert\s+into|update|delete\s+from|merge\s+into)\s+([a-z]+(?:_[a-z]+)*)\b/gi
const environmentMarks =
  /\bprocess\s*(\?\.|\.)\s*env\b|\bprocess\s*\[\s*'env'\s*\]|\{[^}]*\benv\b[^}]*\}\s*(=\s*process\b|from\s*'(node:)?process')/
const queueMarks =
  /(queue\w*\s*(\(|:|={1,3}|!==|,)|\bworker\s*(<[^(]*>)?\()\s*'(inbound|outbound|history|upkeep)'/i

/** What an import tool cannot see: checks the given files, named relative to the root, against the rules of the house. */
export function findHouseRuleViolations(root: string, files: readonly string[]): Violation[] {
  return [
    ...files.filter(isSource).flatMap((file) => checkSource(root, file)),
    ...checkWriters(root, files),
    ...checkBasenames(files),
    ...checkTestFolders(files),
  ]
}

function isSource(file: string): boolean {
  return /^(src|workers|local|sandbox|migrations|bench|chaos)\/.*\.(ts|mts|mjs|js)$/.test(file)
}

function checkSource(root: string, file: string): Violation[] {
  const source = readFileSync(join(root, file), 'utf8')
  const code = withoutComments(source)
  const violations: Violation[] = []
  const search = (rule: HouseRule, applies: boolean, marks: RegExp) => {
    const match = applies ? marks.exec(code) : null
    if (match !== null) violations.push({ rule, file, found: match[0] })
  }
  search('config reads the environment', !mayReadEnvironment(file), environmentMarks)
  search('queues.ts names the queues', /^(src|workers)\//.test(file) && !mayNameQueues(file), queueMarks)
  const lines = source.split('\n').length - 1
  if (/^(src|workers|local|sandbox|chaos)\//.test(file) && lines > maxLines) {
    violations.push({ rule: 'files stay short', file, found: `${lines} lines` })
  }
  return violations
}

function checkWriters(root: string, files: readonly string[]): Violation[] {
  const writers = new Map<string, string[]>()
  for (const file of files.filter((name) => /^(src|workers)\/.*\.ts$/.test(name))) {
    const code = withoutComments(readFileSync(join(root, file), 'utf8'))
    for (const [, builder, statement] of code.matchAll(writeMarks)) {
      const table = (builder ?? statement ?? '').toLowerCase()
      if (!(table in tableOwners)) continue
      const known = writers.get(table) ?? []
      if (!known.includes(file)) writers.set(table, [...known, file])
    }
  }
  return [...writers].flatMap(([table, of]) => [
    ...of
      .filter((file) => !file.startsWith(`${tableOwners[table]}/`))
      .map((file) => ({ rule: 'a table has one owner' as const, file, found: table })),
    ...(of.length <= (fewerWriters[table] ?? maxWriters)
      ? []
      : of.map((file) => ({ rule: 'a table has few writers' as const, file, found: table }))),
  ])
}

function mayReadEnvironment(file: string): boolean {
  return (
    file === 'src/platform/config/config.ts' ||
    file === 'sandbox/settings.ts' ||
    /^(local|bench)\//.test(file)
  )
}

function mayNameQueues(file: string): boolean {
  return file.startsWith('src/platform/queue/')
}

function checkBasenames(files: readonly string[]): Violation[] {
  const byName = Map.groupBy(files, (file) => basename(file))
  return [...byName].flatMap(([name, paths]) => {
    if (paths.length < 2 || namesThatRepeat.has(name)) return []
    return paths.map((file) => ({ rule: 'basenames are unique' as const, file, found: paths.join(' and ') }))
  })
}

function checkTestFolders(files: readonly string[]): Violation[] {
  const folders = new Set(files.map((file) => dirname(file)).flatMap(withParents))
  return files.flatMap((file) => {
    const [top, ...below] = file.split('/')
    const [first = ''] = below
    const folder = below.slice(0, -1).join('/')
    if (top !== 'test' || otherTestFolders.has(first) || folders.has(`src/${folder}`)) return []
    return [{ rule: 'tests mirror the product' as const, file, found: folder }]
  })
}

function withParents(folder: string): string[] {
  return folder === '.' ? [] : [folder, ...withParents(dirname(folder))]
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}
