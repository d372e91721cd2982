import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describePushLedger } from '../../chaos/ledger-text.ts'
import { isConverged } from '../../chaos/push-ledger.ts'
import { runPushStorm } from '../../chaos/push-storm.ts'

test('what is desired is what Hostaway holds, by calls that each changed something, after every process was killed', async () => {
  const said: string[] = []
  const ledger = await runPushStorm({
    rounds: 1,
    seed: 'test',
    redis: false,
    roundMs: 4_000,
    perSecond: 15,
    listings: 8,
    postgresAwayMs: 0,
    redisAwayMs: 0,
    log: (line) => said.push(line),
  })
  assert.ok(isConverged(ledger), `${said.join('\n')}\n${describePushLedger(ledger)}`)
  assert.ok(ledger.writes > 5, `only ${ledger.writes} writes`)
})
