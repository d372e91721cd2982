import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createConnectionCache } from '../../src/connections/connection-cache.ts'
import { createVault, generateKeyRingEntry, parseKeyRing } from '../../src/platform/vault/vault.ts'
import { startTestSystem } from '../support/test-system.ts'

it('a connection whose secrets no key opens cannot be checked, and does not stand in the way of the others', async (t) => {
  const system = await startTestSystem(t, { workers: false })
  const readable = await system.connect()
  await system.control.addAccount({ accountId: 20002, apiKey: 'key-20002' })
  const other = await system.connect({ tenant: 'other', accountId: 20002, apiKey: 'key-20002' })
  const foreignVault = createVault(parseKeyRing(generateKeyRingEntry('foreign')))
  await system.db
    .updateTable('hostaway_connections')
    .set({
      webhook_login_sealed: foreignVault.seal('login', {
        table: 'hostaway_connections',
        column: 'webhook_login_sealed',
        row: other.id,
      }),
    })
    .where('id', '=', other.id)
    .execute()

  const { db, vault, log } = system.deps
  const cache = createConnectionCache({ db, vault, log })
  t.after(() => cache.close())
  assert.equal((await cache.byId(readable.id))?.id, readable.id)
  await assert.rejects(cache.byId(other.id), { kind: 'sealed_unreadable' })
  await assert.rejects(cache.byAccount('hostaway', '20002'), { kind: 'sealed_unreadable' })
  assert.equal((await cache.byAccount('hostaway', String(readable.accountId)))?.id, readable.id)
})
