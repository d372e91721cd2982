import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isClean } from '../../chaos/inbound-ledger.ts'
import { runInboundStorm } from '../../chaos/inbound-storm.ts'
import { describeInboundLedger } from '../../chaos/ledger-text.ts'

test('nothing that was accepted is lost or doubled when processes are killed and PostgreSQL goes away', async () => {
  const said: string[] = []
  const ledger = await runInboundStorm({
    rounds: 3,
    seed: 'test',
    redis: false,
    roundMs: 1_500,
    perSecond: 20,
    postgresAwayMs: 1_500,
    redisAwayMs: 0,
    timeScale: 0.004,
    log: (line) => said.push(line),
  })
  assert.ok(isClean(ledger), `${said.join('\n')}\n${describeInboundLedger(ledger)}`)
  assert.ok(ledger.accepted > 20, `only ${ledger.accepted} webhooks were accepted`)
  assert.equal(ledger.postgresOutages, 1)
})
