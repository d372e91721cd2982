import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { freePort } from '../../../local/free-port.ts'
import { readAccessToken, readConnectionSecrets } from '../../../src/connections/connection-secret-store.ts'
import { ConfigError, loadSealingConfig } from '../../../src/platform/config/config.ts'
import { openDatabase } from '../../../src/platform/db/database.ts'
import { inspectSealing, resealSecrets } from '../../../src/platform/db/reseal-secrets.ts'
import { sealedTables } from '../../../src/platform/db/sealed-columns.ts'
import { replaceSealed } from '../../../src/platform/db/sealed-store.ts'
import { createVault, generateKeyRingEntry, parseKeyRing } from '../../../src/platform/vault/vault.ts'
import { afterAll } from '../../support/after-all.ts'
import { eventually } from '../../support/eventually.ts'
import { reservationBody } from '../../support/reservation-bodies.ts'
import { startProcess } from '../../support/spawned-process.ts'
import { adminToken, startTestSystem, type TestSystem } from '../../support/test-system.ts'

const command = 'src/platform/db/reseal.ts'
const older = generateKeyRingEntry('older')
const newer = generateKeyRingEntry('newer')
const lost = generateKeyRingEntry('lost')
const table = 'hostaway_connections'
const vaultOf = (keys: string) => createVault(parseKeyRing(keys))

describe('npm run reseal', () => {
  const context = afterAll()
  let system: TestSystem

  before(async () => {
    // As it is while a rotation is under way: the new key is known everywhere, and does not seal yet.
    system = await startTestSystem(context, { settings: { ENCRYPTION_KEYS: `${older},${newer}` } })
  })

  const run = (keys: string, ...args: string[]) => startProcess(context, command, settings(keys), args)
  const settings = (keys: string) => ({ DATABASE_URL: system.config.DATABASE_URL, ENCRYPTION_KEYS: keys })

  async function keysInUse(): Promise<string[]> {
    return [...(await inspectSealing(system.db, parseKeyRing(`${newer},${older}`))).countByKey.keys()].sort()
  }

  it('npm run reseal knows every sealed column there is', async () => {
    const { rows } = await sql<{ name: string }>`
      select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = 'public' and column_name like '%\\_sealed' order by name
    `.execute(system.db)
    assert.deepEqual(
      sealedTables.flatMap((one) => one.columns.map((column) => `${one.table}.${column}`)).sort(),
      rows.map(({ name }) => name),
    )
  })

  it('seals everything under the new key while webhooks are taken, and then the old key can go', async (t) => {
    const connection = await system.connect({ webhookSecret: 'a-secret-of-a-gateway' })
    assert.deepEqual(await keysInUse(), ['older'])
    const answers: number[] = []
    let delivering = true
    const deliveries = (async () => {
      for (let id = 710_000; delivering; id += 1) {
        const data = reservationBody({ id })
        const body = { event: 'reservation.created', accountId: connection.accountId, data }
        answers.push((await system.deliver(connection, body)).status)
      }
    })()

    const check = await run(`${newer},${older}`, '--check').end()
    assert.equal(check.code, 1)
    assert.match(check.stdout, /^Key "older" seals 5\.\nRun this without --check/)
    const first = await run(`${newer},${older}`).end()
    assert.deepEqual([first.code, first.stderr], [0, ''])
    assert.equal(
      first.stdout,
      'Re-sealed 5.\nKey "newer" seals 5.\nNo longer needed in ENCRYPTION_KEYS: "older".\n',
    )
    assert.equal(await resealSecrets(system.db, parseKeyRing(`${newer},${older}`)), 0)
    delivering = false
    await deliveries
    assert.ok(answers.length > 10 && answers.every((status) => status === 200))

    assert.deepEqual(await keysInUse(), ['newer'])
    const secrets = await readConnectionSecrets(system.db, vaultOf(newer), connection.id)
    assert.equal(secrets?.apiKey, 'sandbox-key-10001')
    assert.ok(await readAccessToken(system.db, vaultOf(newer), connection.id))
    const port = String(await freePort())
    const withoutOlder = { ...settings(newer), PORT: port, ADMIN_API_TOKEN: adminToken }
    await startProcess(t, 'src/server.ts', withoutOlder).until('api.listening')
    const taken = await fetch(`http://127.0.0.1:${port}/webhooks/hostaway/${connection.id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: connection.basic },
      body: JSON.stringify({ event: 'reservation.created', accountId: connection.accountId, data: {} }),
    })
    assert.equal(taken.status, 200)
    await eventually(async () => {
      const waiting = await system.db.selectFrom('webhook_logs').select('id').where('status', '=', 'received')
      assert.deepEqual(await waiting.execute(), [])
    })
  })

  it('npm run reseal leaves a value alone that was written meanwhile', async () => {
    const { id, api_key_sealed: stale } = await system.db
      .selectFrom(table)
      .select(['id', 'api_key_sealed'])
      .executeTakeFirstOrThrow()
    const place = { table, column: 'api_key_sealed', row: id }
    const meanwhile = vaultOf(`${older},${newer}`).seal('the key that came meanwhile', place)
    await system.db.updateTable(table).set({ api_key_sealed: meanwhile }).where('id', '=', id).execute()
    const fresh = vaultOf(newer).seal('the key before', place)
    assert.equal(
      await replaceSealed(system.db, table, 'api_key_sealed', [{ id, stale: stale ?? '', fresh }]),
      0,
    )
    const both = `${newer},${older}`
    assert.equal(await resealSecrets(system.db, parseKeyRing(both)), 1)
    const secrets = await readConnectionSecrets(system.db, vaultOf(newer), id)
    assert.equal(secrets?.apiKey, 'the key that came meanwhile')
  })

  it('npm run reseal goes on where it was killed', async (t) => {
    const ids = await insertConnections(600)
    const blocker = openDatabase({
      url: system.config.DATABASE_URL,
      maxConnections: 1,
      applicationName: 'test',
    })
    t.after(() => blocker.destroy())
    const half = await blocker.transaction().execute(async (trx) => {
      // Another transaction holds a row of the second batch, so the command stands still with the first one behind it.
      await trx
        .selectFrom(table)
        .select('id')
        .where('id', '=', ids[350] ?? '')
        .forUpdate()
        .execute()
      const killed = run(`${newer},${older}`)
      await eventually(async () => {
        const waiting = await sql`
          select 1 from pg_stat_activity where application_name = 'hostaway-reseal' and wait_event_type = 'Lock'
        `.execute(system.db)
        assert.equal(waiting.rows.length, 1)
      })
      const second = await run(`${newer},${older}`).end()
      assert.deepEqual([second.code, second.stdout], [1, ''])
      assert.match(second.stderr, /^Secrets are being re-sealed already/)
      killed.kill('SIGKILL')
      await killed.end()
      return inspectSealing(system.db, parseKeyRing(`${newer},${older}`))
    })
    const done = half.countByKey.get('newer') ?? 0
    assert.ok(done >= 200 && done < 600, `${done} after the kill`)
    assert.deepEqual(half.unreadable, [])
    const { code, stdout } = await run(`${newer},${older}`).end()
    assert.equal(code, 0, stdout)
    assert.deepEqual(await keysInUse(), ['newer'])
  })

  it('npm run reseal says what no key opens, seals the rest, and ends with 1', async () => {
    const [unreadable = '', readable = ''] = await insertConnections(2, [lost, older])
    const { code, stdout } = await run(`${newer},${older}`).end()
    assert.equal(code, 1)
    assert.match(stdout, /^Re-sealed 1\.\n/)
    assert.match(
      stdout,
      new RegExp(`No key opens ${table}.api_key_sealed of ${unreadable}, which key "lost" sealed`),
    )
    assert.doesNotMatch(stdout, /still seals/)
    const opened = await readConnectionSecrets(system.db, vaultOf(newer), readable)
    assert.equal(opened?.apiKey, `key of ${readable}`)
  })

  it('needs the database and the keys only, and says what is wrong with both at once', async () => {
    await assert.rejects(loadSealingConfig({ ENCRYPTION_KEYS: 'nonsense' }), (error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /DATABASE_URL is required[\s\S]*ENCRYPTION_KEYS: key 1 needs an id/)
      return true
    })
  })

  /** Connections with an API key each, in the order of their ids. */
  async function insertConnections(count: number, keys = [older]): Promise<string[]> {
    const { rows } = await sql<{ id: string }>`
      with made as (
        insert into tenants (id, slug, name)
        select gen_random_uuid(), 'many-' || gen_random_uuid(), 'many' from generate_series(1, ${count}) returning id
      )
      insert into hostaway_connections
        (id, tenant_id, channel, account_id, status, auto_import, auto_map_listings, webhook_auth, webhook_url, key_set_at)
      select gen_random_uuid(), id, 'hostaway', id, 'paused', false, false, 'basic', '', now() from made
      returning id
    `.execute(system.db)
    const ids = rows.map(({ id }) => id).sort()
    const replacements = ids.map((id, index) => ({
      id,
      sealed: vaultOf(keys[index % keys.length] ?? older).seal(`key of ${id}`, {
        table,
        column: 'api_key_sealed',
        row: id,
      }),
    }))
    await sql`
      update hostaway_connections set api_key_sealed = made.sealed
      from unnest(${replacements.map(({ id }) => id)}::uuid[], ${replacements.map(({ sealed }) => sealed)}::text[])
        as made (id, sealed)
      where hostaway_connections.id = made.id
    `.execute(system.db)
    return ids
  }
})
