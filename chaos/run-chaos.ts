import { parseArgs } from 'node:util'
import { runFuzz } from './fuzz-run.ts'
import { isClean } from './inbound-ledger.ts'
import { runInboundStorm } from './inbound-storm.ts'
import { describeFuzzLedger, describeInboundLedger, describePushLedger } from './ledger-text.ts'
import { isConverged } from './push-ledger.ts'
import { runPushStorm } from './push-storm.ts'

const usage = `npm run chaos -- inbound [--rounds 20] [--seed text] [--redis] [--long] [--logs folder]
npm run chaos -- outbound [--rounds 20] [--seed text] [--redis] [--long] [--logs folder]
npm run chaos -- fuzz [--count 100000] [--seed text] [--redis] [--logs folder]`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '100000' },
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
    timeScale: 0.01,
    logFolder: values.logs,
    log: console.log,
  })
  console.log(`\n${describeInboundLedger(ledger)}`)
  return isClean(ledger)
}

async function outbound(): Promise<boolean> {
  const ledger = await runPushStorm({
    rounds: Number(values.rounds),
    seed: values.seed,
    redis: values.redis,
    roundMs: 5_000,
    perSecond: 10,
    listings: 30,
    postgresAwayMs: 10_000,
    redisAwayMs: values.long ? 60_000 : 12_000,
    logFolder: values.logs,
    log: console.log,
  })
  console.log(`\n${describePushLedger(ledger)}`)
  return isConverged(ledger)
}

async function fuzz(): Promise<boolean> {
  const ledger = await runFuzz({
    count: Number(values.count),
    seed: values.seed,
    redis: values.redis,
    logFolder: values.logs,
    log: console.log,
  })
  console.log(`\n${describeFuzzLedger(ledger)}`)
  return ledger.complaints.length === 0
}

const [command] = positionals
if (command === 'inbound') process.exitCode = (await inbound()) ? 0 : 1
else if (command === 'outbound') process.exitCode = (await outbound()) ? 0 : 1
else if (command === 'fuzz') process.exitCode = (await fuzz()) ? 0 : 1
else {
  console.error(usage)
  process.exitCode = 2
}
