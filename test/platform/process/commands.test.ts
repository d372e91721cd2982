import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { freePort } from '../../../local/free-port.ts'
import { openDatabase } from '../../../src/platform/db/database.ts'
import { pendingMigrations } from '../../../src/platform/db/migrate.ts'
import { sentenceOf } from '../../../src/platform/process/start-error.ts'
import { findApiTokenOwner } from '../../../src/tenants/api-token-store.ts'
import { startProcess } from '../../support/spawned-process.ts'
import { createTestDatabase, databaseUrl, runOnServer } from '../../support/test-database.ts'

const migrate = 'src/platform/db/migrate.ts'
const token = 'local/token.ts'

it('a command names every address that failed', () => {
  const error = new AggregateError([new Error('connect ::1 refused'), new Error('connect 127.0.0.1 refused')])
  assert.equal(sentenceOf(error), 'connect ::1 refused; connect 127.0.0.1 refused')
})

it('the commands read a .env file beside package.json, behind what the environment sets', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-env-'))
  t.after(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'local'))
  for (const name of ['env-file.mjs', 'node-version.mjs']) {
    await copyFile(join(import.meta.dirname, '../../../local', name), join(folder, 'local', name))
  }
  const printed = join(folder, 'print.mjs')
  await writeFile(printed, 'console.log(process.env.HOST, process.env.EGRESS_ID)')
  const run = () =>
    startProcess(t, '--import', { HOST: 'set' }, [join(folder, 'local/env-file.mjs'), printed]).end()
  assert.equal((await run()).stdout, 'set undefined\n')
  await writeFile(join(folder, '.env'), 'HOST=from-the-file\nEGRESS_ID=from-the-file\n')
  assert.equal((await run()).stdout, 'set from-the-file\n')
})

describe('npm run migrate', { concurrency: 2 }, () => {
  it('brings an empty database up to date, twice at once and once more, and needs the URL only', async (t) => {
    const name = `test_${randomBytes(8).toString('hex')}`
    await runOnServer(`create database ${name}`)
    t.after(() => runOnServer(`drop database if exists ${name} with (force)`))
    const settings = { DATABASE_URL: databaseUrl(name) }
    const run = () => startProcess(t, migrate, settings).end()
    const first = await Promise.all([run(), run()])
    assert.deepEqual(
      first.map(({ code, stderr }) => [code, stderr]),
      [
        [0, ''],
        [0, ''],
      ],
    )
    assert.match(first.map(({ stdout }) => stdout).join(''), /^Applied 0001_inbound/m)
    assert.deepEqual(await pendingMigrations(settings.DATABASE_URL), [])
    const again = await run()
    assert.deepEqual([again.code, again.stdout], [0, 'The schema is up to date.\n'])
  })

  it('npm run migrate says what is wrong and ends with 1', async (t) => {
    const missing = await startProcess(t, migrate, {}).end()
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /DATABASE_URL is required/)
    for (const host of ['127.0.0.1', 'localhost']) {
      const url = `postgres://user:pass-of-the-database@${host}:${await freePort()}/x`
      const { code, stderr } = await startProcess(t, migrate, { DATABASE_URL: url }).end()
      assert.equal(code, 1)
      assert.match(stderr, /ECONNREFUSED/, host)
      assert.doesNotMatch(stderr, /pass-of-the-database/)
    }
  })
})

describe('npm run token', { concurrency: 2 }, () => {
  it('npm run token prints a token alone on stdout, which works, and makes the tenant where there is none', async (t) => {
    const url = await createTestDatabase(t)
    const db = openDatabase({ url, maxConnections: 1, applicationName: 'test' })
    t.after(() => db.destroy())
    const make = (...args: string[]) => startProcess(t, token, { DATABASE_URL: url }, args).end()

    const first = await make('--tenant', 'demo', '--role', 'owner')
    assert.equal(first.code, 0, first.stderr)
    assert.match(first.stdout, /^tvl_[\w-]{43}\n$/)
    assert.match(first.stderr, /Tenant demo did not exist and was created/)
    const owner = await findApiTokenOwner(db, first.stdout.trim())
    assert.deepEqual([owner?.role, owner?.tenantSlug], ['owner', 'demo'])

    const second = await make('--tenant', 'demo', '--role', 'viewer', '--name', 'dashboard')
    assert.deepEqual([second.code, second.stderr], [0, ''])
    const admin = await make('--role', 'admin')
    const found = await findApiTokenOwner(db, admin.stdout.trim())
    assert.deepEqual([found?.role, found?.tenantSlug], ['admin', null])
  })

  const wrong: Array<[string, string[], RegExp]> = [
    ['no role', ['--tenant', 'demo'], /--role must be one of admin, owner/],
    ['an unknown role', ['--tenant', 'demo', '--role', 'boss'], /--role must be one of/],
    ['no tenant', ['--role', 'owner'], /--tenant must be a slug/],
    ['a tenant that is no slug', ['--tenant', 'My Tenant', '--role', 'owner'], /--tenant must be a slug/],
    ['an admin of one tenant', ['--tenant', 'demo', '--role', 'admin'], /belongs to no tenant/],
    ['an unknown option', ['--tenants', 'demo'], /--tenants/],
  ]
  for (const [what, args, sentence] of wrong) {
    it(`npm run token with ${what} says so, prints no token and touches no database`, async (t) => {
      const settings = { DATABASE_URL: `postgres://localhost:${await freePort()}/x` }
      const { code, stdout, stderr } = await startProcess(t, token, settings, args).end()
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, sentence)
      assert.doesNotMatch(stderr, /\n\s+at /)
    })
  }

  it('npm run token says so where the database cannot be reached', async (t) => {
    const settings = { DATABASE_URL: `postgres://localhost:${await freePort()}/x` }
    const args = ['--tenant', 'demo', '--role', 'owner']
    const { code, stdout, stderr } = await startProcess(t, token, settings, args).end()
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /ECONNREFUSED/)
  })
})
