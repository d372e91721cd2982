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
  'a table has one owner': [
    `trx.insertInto('bookings').values(row)`,
    `db\n  .updateTable('bookings')`,
    `db.deleteFrom('bookings')`,
    'sql`insert into bookings (id) values (1)`',
    'sql`update bookings b set id = 1`',
    'sql`\n  delete from\n  bookings`',
  ],
  'a table has few writers': [],
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
  'tests mirror the product': [],
  'files stay short': ['const line = 1\n'.repeat(401)],
}

for (const [rule, sources] of Object.entries(planted)) {
  for (const [index, source] of sources.entries()) {
    test(`${rule}: violation ${index + 1} is reported in src`, () => {
      const file = `src/mapping/planted-${index}.ts`
      assert.deepEqual(check({ [file]: source }), [{ rule, file }])
    })
  }
}

test('workers, the sandbox and migrations are checked as well', () => {
  assert.deepEqual(check({ 'workers/planted.ts': `db.deleteFrom('bookings')` }), [
    { rule: 'a table has one owner', file: 'workers/planted.ts' },
  ])
  assert.deepEqual(
    check({ 'sandbox/planted-a.ts': 'process.env.PORT', 'migrations/planted-b.ts': 'process.env.PORT' }),
    [
      { rule: 'config reads the environment', file: 'sandbox/planted-a.ts' },
      { rule: 'config reads the environment', file: 'migrations/planted-b.ts' },
    ],
  )
})

test('a table that four files of its owner write is reported at each of them', () => {
  const files = ['one', 'two', 'three', 'four'].map((name) => `src/polling/${name}.ts`)
  const writes = (names: string[]) =>
    check(Object.fromEntries(names.map((name) => [name, `trx.updateTable('imports')`])))
  assert.deepEqual(writes(files.slice(0, 3)), [])
  assert.deepEqual(
    writes(files),
    files.map((file) => ({ rule: 'a table has few writers', file })),
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

test('a test stands in the folder of src that it tries, or in one of those beside src', () => {
  assert.deepEqual(
    check({
      'src/channels/hostaway/client.ts': '',
      'test/channels/hostaway/first.test.ts': '',
      'test/channels/second.test.ts': '',
      'test/repo/third.test.ts': '',
      'test/channels/nowhere/fourth.test.ts': '',
      'test/fifth.test.ts': '',
    }),
    [
      { rule: 'tests mirror the product', file: 'test/channels/nowhere/fourth.test.ts' },
      { rule: 'tests mirror the product', file: 'test/fifth.test.ts' },
    ],
  )
})

test('what the rules allow is not reported', () => {
  const files = {
    'src/bookings/booking-store.ts': `db.selectFrom('bookings')`,
    'src/bookings/story.ts': `db.updateTable('bookings')`,
    'src/polling/count.ts': 'sql`select count(*) from bookings`',
    'src/polling/module.ts': '',
    'src/bookings/module.ts': '',
    'migrations/0001_first.ts': 'sql`select 1`',
    'src/platform/config/config.ts': 'process.env.PORT',
    'sandbox/settings.ts': 'process.env.PORT',
    'local/start.ts': 'process.env.PORT',
    'src/platform/queue/queues.ts': `export const queueNames = ['inbound']\nnew Queue('inbound')`,
    'src/bookings/comment.ts':
      '// process.env is read elsewhere\n/* db.selectFrom( */\nconst url = "http://x"\n',
  }
  assert.deepEqual(check(files), [])
})
