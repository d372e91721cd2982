import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { findHouseRuleViolations, type HouseRule } from './house-rules.ts'

const repository = join(import.meta.dirname, '../..')
const scratch = mkdtempSync(join(tmpdir(), 'hostaway-house-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

function check(files: Record<string, string>): { rule: HouseRule; file: string }[] {
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(scratch, file)), { recursive: true })
    writeFileSync(join(scratch, file), source)
  }
  return findHouseRuleViolations(scratch, Object.keys(files)).map(({ rule, file }) => ({ rule, file }))
}

test('the repository keeps the rules of the house', (t) => {
  if (!existsSync(join(repository, '.git'))) return t.skip('needs a git checkout to know its files')
  const listing = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    encoding: 'utf8',
  })
  const files = listing.split('\n').filter((file) => file !== '' && existsSync(join(repository, file)))
  assert.deepEqual(findHouseRuleViolations(repository, files), [])
})

const planted: Record<HouseRule, string[]> = {
  'sql stays in stores': [
    `db.selectFrom('bookings').selectAll()`,
    `trx.insertInto('bookings').values(row)`,
    `db\n  .updateTable('bookings')`,
    `db.deleteFrom('bookings')`,
    'sql`select 1`.execute(db)',
    'sql<{ one: number }>`select 1`',
    `pool.query('select 1')`,
    'client.query<Row>(`select 1`)',
  ],
  'config reads the environment': [
    'const port = process.env.PORT',
    `const port = process['env']`,
    'const { env } = process',
    `import { env } from 'node:process'`,
  ],
  'queues.ts names the queues': [
    `enqueue({ queue: 'inbound' })`,
    `const queue = 'outbound'`,
    `openQueue('upkeep')`,
    `const queue = 'history'`,
    `new Worker('inbound', run)`,
  ],
  'basenames are unique': [],
  'files stay short': ['const line = 1\n'.repeat(301)],
}

for (const [rule, sources] of Object.entries(planted)) {
  for (const [index, source] of sources.entries()) {
    test(`${rule}: violation ${index + 1} is reported in src`, () => {
      const file = `src/bookings/planted-${index}.ts`
      assert.deepEqual(check({ [file]: source }), [{ rule, file }])
    })
  }
}

test('workers, the sandbox and migrations are checked as well', () => {
  assert.deepEqual(check({ 'workers/planted.ts': `db.deleteFrom('bookings')` }), [
    { rule: 'sql stays in stores', file: 'workers/planted.ts' },
  ])
  assert.deepEqual(
    check({ 'sandbox/planted-a.ts': 'process.env.PORT', 'migrations/planted-b.ts': 'process.env.PORT' }),
    [
      { rule: 'config reads the environment', file: 'sandbox/planted-a.ts' },
      { rule: 'config reads the environment', file: 'migrations/planted-b.ts' },
    ],
  )
})

test('files that share a basename are reported, wherever they are', () => {
  assert.deepEqual(
    check({ 'src/bookings/same.ts': '', 'docs/same.ts': '', 'docs/README.md': '', 'README.md': '' }),
    [
      { rule: 'basenames are unique', file: 'src/bookings/same.ts' },
      { rule: 'basenames are unique', file: 'docs/same.ts' },
    ],
  )
})

test('what the rules allow is not reported', () => {
  const files = {
    'src/bookings/booking-store.ts': `db.selectFrom('bookings')`,
    'src/inbound/webhook-log.ts': 'sql`select 1`',
    'src/db/lock.ts': 'sql`select 1`',
    'migrations/0001_first.ts': 'sql`select 1`',
    'src/config.ts': 'process.env.PORT',
    'sandbox/settings.ts': 'process.env.PORT',
    'local/start.ts': 'process.env.PORT',
    'src/queues.ts': `export const queueNames = ['inbound']\nnew Queue('inbound')`,
    'src/bookings/comment.ts':
      '// process.env is read elsewhere\n/* db.selectFrom( */\nconst url = "http://x"\n',
  }
  assert.deepEqual(check(files), [])
})
