import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { setConnectionStatus } from '../../src/connections/connection-status-store.ts'
import { existingConnection } from '../../src/connections/connection-store.ts'
import { upsertListings } from '../../src/listings/listing-store.ts'
import { withTimeout } from '../../src/platform/timeout.ts'
import { startTestSystem } from '../support/test-system.ts'

const system = await startTestSystem({ after }, { workers: false })
const { id } = await system.connect()

it('rows of a connection are written while its status changes, however long the change takes', async () => {
  const { db } = system.deps
  const facts = { listingId: '777001', name: 'Lodge', currency: 'EUR', timeZone: null, unitCount: 1 }
  const connection = await existingConnection(db, id)
  let outcome = 'nothing was written'
  const statusChanged = async () => {
    const written = upsertListings(db, connection, [facts], true).then(() => 'written')
    outcome = await withTimeout(2_000, written, () => 'still waiting')
  }
  assert.equal(await setConnectionStatus({ db, reactions: { statusChanged } }, id, 'paused'), true)
  assert.equal(outcome, 'written')
})
