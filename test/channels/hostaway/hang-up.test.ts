import assert from 'node:assert/strict'
import { it } from 'node:test'
import { capabilityOf } from '../../../src/channels/contract/channel.ts'
import { callChannel } from '../../../src/connections/call-channel.ts'
import { eventually } from '../../support/eventually.ts'
import { sandboxAccount, startTestSystem } from '../../support/test-system.ts'

it('hanging up ends a call that Hostaway does not answer, as something to come back to', async (t) => {
  const system = await startTestSystem(t, { workers: false })
  const { id } = await system.connect()
  await system.control.injectFault({ kind: 'hang', path: '/reservations/*' })
  const { accountId } = sandboxAccount
  const call = callChannel(
    system.deps,
    { id, accountId: String(accountId), channel: 'hostaway' },
    { urgency: 'urgent' },
    (channel, context) => capabilityOf(channel, 'reservations').read(context, '1'),
  )
  const refused = assert.rejects(call, { kind: 'shutting_down' })
  await eventually(async () =>
    assert.equal((await system.control.calls({ path: '/reservations/*' })).length, 1),
  )
  system.deps.channels.of('hostaway').hangUp()
  await refused
})
