import assert from 'node:assert/strict'
import { it } from 'node:test'
import { withAccessToken } from '../../../src/connections/access-token.ts'
import { eventually } from '../../support/eventually.ts'
import { sandboxAccount, startTestSystem } from '../../support/test-system.ts'

it('hanging up ends a call that Hostaway does not answer, as something to come back to', async (t) => {
  const system = await startTestSystem(t, { workers: false })
  const { id } = await system.connect()
  await system.control.injectFault({ kind: 'hang', path: '/reservations/*' })
  const { accountId } = sandboxAccount
  const call = withAccessToken(system.deps, { id, accountId: String(accountId) }, (token) =>
    system.deps.client.getReservation({ accountId: String(accountId), token, urgency: 'urgent' }, '1'),
  )
  const refused = assert.rejects(call, { kind: 'shutting_down' })
  await eventually(async () =>
    assert.equal((await system.control.calls({ path: '/reservations/*' })).length, 1),
  )
  system.deps.client.hangUp()
  await refused
})
