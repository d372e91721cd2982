import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { DCLinter } from 'dclint'
import pg from 'pg'
import { parse, stringify } from 'yaml'
import { settingsSchema } from '../../src/platform/config/settings-schema.ts'

type Service = {
  command?: string[]
  environment?: Record<string, string>
  build?: { target?: string }
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test?: string[]; disable?: boolean }
  restart?: string
  stop_grace_period?: string
  volumes?: string[]
}
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> }

const repository = join(import.meta.dirname, '../..')
const scratch = mkdtempSync(join(tmpdir(), 'hostaway-compose-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

const compose: Compose = parse(readFileSync(join(repository, 'docker-compose.yml'), 'utf8'), { merge: true })
const { services } = compose

/** What the compose specification's schema says about a file. */
function schemaProblems(content: unknown): string[] {
  const file = join(scratch, 'docker-compose.yml')
  writeFileSync(file, stringify(content, { aliasDuplicateObjects: false }))
  const linter = new DCLinter({ rules: {}, quiet: false, debug: false, exclude: [] })
  const results: Array<{ messages: Array<{ rule: string; message: string }> }> = linter.lintFiles(
    [file],
    false,
  )
  return results
    .flatMap(({ messages }) => messages)
    .filter(({ rule }) => /^invalid-/.test(rule))
    .map(({ message }) => message)
}

function service(name: string): Service {
  const found = services[name]
  assert.ok(found, name)
  return found
}

describe('docker-compose.yml', () => {
  it('follows the schema of the compose specification', () => {
    assert.deepEqual(schemaProblems(compose), [])
  })

  it('would be refused with a key that the specification does not have', () => {
    const broken = { ...compose, services: { ...services, api: { ...service('api'), depend_on: ['redis'] } } }
    assert.notDeepEqual(schemaProblems(broken), [])
    const wrongType = { ...compose, services: { ...services, api: { ...service('api'), restart: 3 } } }
    assert.notDeepEqual(schemaProblems(wrongType), [])
  })

  it('starts in order: the databases are healthy, the schema is migrated, then the roles run', () => {
    assert.deepEqual(service('migrate').depends_on, { postgres: { condition: 'service_healthy' } })
    for (const role of ['api', 'worker']) {
      assert.deepEqual(service(role).depends_on, {
        migrate: { condition: 'service_completed_successfully' },
        redis: { condition: 'service_healthy' },
      })
    }
    for (const name of ['postgres', 'redis']) assert.ok(service(name).healthcheck?.test, name)
    assert.equal(service('migrate').restart, 'no')
  })

  it('runs files that are in the image', () => {
    const copied = readFileSync(join(repository, 'Dockerfile'), 'utf8')
      .split('\n')
      .flatMap((line) => /^COPY (\w+) \1$/.exec(line)?.[1] ?? [])
    for (const role of ['migrate', 'api', 'worker']) {
      const [program, file = ''] = service(role).command ?? []
      assert.equal(program, 'node')
      assert.ok(existsSync(join(repository, file)), file)
      assert.ok(
        copied.some((folder) => file.startsWith(`${folder}/`)),
        file,
      )
    }
  })

  it('sets only settings that there are', () => {
    // That one is read by the driver of PostgreSQL.
    const known = [...Object.keys(settingsSchema.properties), 'PGPASSWORD']
    for (const role of ['migrate', 'api', 'worker']) {
      for (const name of Object.keys(service(role).environment ?? {})) assert.ok(known.includes(name), name)
    }
  })

  it('docker-compose.yml takes any password for the database, as the driver reads it beside the URL', (t) => {
    const { DATABASE_URL: connectionString = '', PGPASSWORD } = service('api').environment ?? {}
    assert.equal(PGPASSWORD, service('postgres').environment?.POSTGRES_PASSWORD)
    const before = process.env.PGPASSWORD
    t.after(() => {
      if (before === undefined) delete process.env.PGPASSWORD
      else process.env.PGPASSWORD = before
    })
    process.env.PGPASSWORD = 'p@ss:w/rd#?%zz'
    const client = new pg.Client({ connectionString })
    assert.deepEqual(
      [client.user, client.host, client.database, client.password],
      ['hostaway', 'postgres', 'hostaway', 'p@ss:w/rd#?%zz'],
    )
  })

  it('docker-compose.yml gives a role more time to end than it takes, and keeps data in volumes', () => {
    for (const role of ['api', 'worker']) assert.equal(service(role).stop_grace_period, '30s')
    const kept = ['postgres', 'redis'].flatMap((name) => service(name).volumes ?? [])
    assert.deepEqual(
      kept.map((volume) => volume.split(':')[0]),
      Object.keys(compose.volumes),
    )
  })
})
