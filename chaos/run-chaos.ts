import { parseArgs } from 'node:util'
import { isClean } from './inbound-ledger.ts'
import { runInboundStorm } from './inbound-storm.ts'
import { describeInboundLedger } from './ledger-text.ts'

const usage = `npm run chaos -- inbound [--rounds 20] [--seed text] [--redis] [--long] [--logs folder]`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    redis: { type: 'boolean', default: false },
    logs: { type: 'string' },
    long: { type: 'boolean', default: false },
  },
})

async function inbound(): Promise<boolean> {
  const ledger = await runInboundStorm({
    rounds: Number(values.rounds),
    seed: values.seed,
    redis: values.redis,
    roundMs: 5_000,
    perSecond: 25,
    postgresAwayMs: 10_000,
    redisAwayMs: values.long ? 60_000 : 12_000,
    logFolder: values.logs,
    log: console.log,
  })
  console.log(`\n${describeInboundLedger(ledger)}`)
  return isClean(ledger)
}

const [command] = positionals
if (command === 'inbound') process.exitCode = (await inbound()) ? 0 : 1
else {
  console.error(usage)
  process.exitCode = 2
}
