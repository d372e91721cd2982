import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** A module that reaches a server or another process, and the imports that lead a test there. */
export type Reached = { module: string; path: string[] }

const connects = new Set([
  'bullmq',
  'ioredis',
  'pg',
  'node:child_process',
  'node:cluster',
  'node:http',
  'node:http2',
  'node:https',
  'node:tls',
  'node:worker_threads',
])
// Distinguishing an IP address from a name opens nothing.
const harmless = /\{\s*isIP\s*\}\s*from\s*'node:net'/g
const valueImports =
  /^\s*(?:import|export)\s+(?!type\s)(?:[\w\s*{},$]+\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/gm

/** The test files under a root that need no server and no other process: no import leads them to one. */
export function findUnitTests(root: string): string[] {
  const files = globSync('test/**/*.test.ts', { cwd: root }).toSorted()
  return files.filter((file) => findConnection(root, file) === undefined)
}

/** The first module that connects among everything that a file imports for its values, directly or through others. */
export function findConnection(root: string, file: string): Reached | undefined {
  const paths = new Map([[file, [file]]])
  for (const [reached, path] of paths) {
    for (const name of importsOf(join(root, reached))) {
      if (connects.has(name) || name === 'node:net') return { module: name, path }
      const target = normalize(join(dirname(reached), name))
      if (name.startsWith('.') && !paths.has(target) && existsSync(join(root, target))) {
        paths.set(target, [...path, target])
      }
    }
  }
  return undefined
}

function importsOf(file: string): string[] {
  const source = readFileSync(file, 'utf8').replaceAll(harmless, '')
  return [...source.matchAll(valueImports)].map(([, named, loaded]) => named ?? loaded ?? '')
}
