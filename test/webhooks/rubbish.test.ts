import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runFuzz } from '../../chaos/fuzz-run.ts'
import { describeFuzzLedger } from '../../chaos/ledger-text.ts'

test('rubbish crashes nothing, is stored only where it may be, and every row that it leaves comes to an end', async () => {
  const ledger = await runFuzz({ count: 1_500, seed: 'test', redis: false, log: () => {} })
  assert.deepEqual(ledger.complaints, [], describeFuzzLedger(ledger))
  assert.ok(ledger.stored > 500, `only ${ledger.stored} rows were stored`)
})
