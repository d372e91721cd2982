import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

export type Violation = { rule: HouseRule; file: string; found: string }

export type HouseRule =
  | 'sql stays in stores'
  | 'config reads the environment'
  | 'queues.ts names the queues'
  | 'basenames are unique'
  | 'files stay short'

const longestFileInLines = 300

// Names that a tool looks for, so that every folder may need its own.
const namesThatRepeat = new Set(['README.md', '.gitignore', 'index.html', 'package.json'])

const sqlMarks =
  /\.(selectFrom|insertInto|replaceInto|updateTable|deleteFrom|mergeInto)\s*\(|\bsql\s*(<[^`]*>)?\s*`|\bsql\.(raw|ref|table|id|lit)\b|\.query\s*(<[^(]*>)?\(\s*(\{\s*text:\s*)?[`'"]/
const environmentMarks =
  /\bprocess\s*(\?\.|\.)\s*env\b|\bprocess\s*\[\s*'env'\s*\]|\{[^}]*\benv\b[^}]*\}\s*(=\s*process\b|from\s*'(node:)?process')/
const queueMarks =
  /(queue\w*\s*(\(|:|={1,3}|!==|,)|\bworker\s*(<[^(]*>)?\()\s*'(inbound|outbound|history|upkeep)'/i

/** What an import tool cannot see: checks the given files, named relative to the root, against the rules of the house. */
export function findHouseRuleViolations(root: string, files: readonly string[]): Violation[] {
  return [...files.filter(isSource).flatMap((file) => checkSource(root, file)), ...checkBasenames(files)]
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
  search('sql stays in stores', /^(src|workers)\//.test(file) && !mayContainSql(file), sqlMarks)
  search('config reads the environment', !mayReadEnvironment(file), environmentMarks)
  search('queues.ts names the queues', /^(src|workers)\//.test(file) && !mayNameQueues(file), queueMarks)
  const lines = source.split('\n').length - 1
  if (/^(src|workers|local|sandbox|chaos)\//.test(file) && lines > longestFileInLines) {
    violations.push({ rule: 'files stay short', file, found: `${lines} lines` })
  }
  return violations
}

function mayContainSql(file: string): boolean {
  return /-store\.ts$/.test(file) || file === 'src/inbound/webhook-log.ts' || file.startsWith('src/db/')
}

function mayReadEnvironment(file: string): boolean {
  return file === 'src/config.ts' || file === 'sandbox/settings.ts' || /^(local|bench)\//.test(file)
}

function mayNameQueues(file: string): boolean {
  return /^src\/(queues|queue-[^/]+)(\.ts$|\/)/.test(file)
}

function checkBasenames(files: readonly string[]): Violation[] {
  const byName = Map.groupBy(files, (file) => basename(file))
  return [...byName].flatMap(([name, paths]) => {
    if (paths.length < 2 || namesThatRepeat.has(name)) return []
    return paths.map((file) => ({ rule: 'basenames are unique' as const, file, found: paths.join(' and ') }))
  })
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}
