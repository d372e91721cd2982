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

type ChaosOptions = {
  count: number
  rounds: number
  seed: string
  redis: boolean
  logs: string | undefined
  long: boolean
}

const experiments = { inbound, outbound, fuzz }

async function inbound(options: ChaosOptions): Promise<boolean> {
  const ledger = await runInboundStorm({
    rounds: options.rounds,
    seed: options.seed,
    redis: options.redis,
    roundMs: 5_000,
    perSecond: 25,
    postgresAwayMs: 10_000,
    redisAwayMs: options.long ? 60_000 : 12_000,
    timeScale: 0.01,
    logFolder: options.logs,
    log: console.log,
  })
  console.log(`\n${describeInboundLedger(ledger)}`)
  return isClean(ledger)
}

async function outbound(options: ChaosOptions): Promise<boolean> {
  const ledger = await runPushStorm({
    rounds: options.rounds,
    seed: options.seed,
    redis: options.redis,
    roundMs: 5_000,
    perSecond: 10,
    listings: 30,
    postgresAwayMs: 10_000,
    redisAwayMs: options.long ? 60_000 : 12_000,
    logFolder: options.logs,
    log: console.log,
  })
  console.log(`\n${describePushLedger(ledger)}`)
  return isConverged(ledger)
}

async function fuzz(options: ChaosOptions): Promise<boolean> {
  const ledger = await runFuzz({
    count: options.count,
    seed: options.seed,
    redis: options.redis,
    logFolder: options.logs,
    log: console.log,
  })
  console.log(`\n${describeFuzzLedger(ledger)}`)
  return ledger.complaints.length === 0
}

function readArguments(): { experiment: keyof typeof experiments; options: ChaosOptions } {
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
  const [experiment, ...others] = positionals
  if (experiment !== 'inbound' && experiment !== 'outbound' && experiment !== 'fuzz') {
    throw new Error('Say what to try.')
  }
  if (others.length > 0) throw new Error(`One experiment at a time: ${others.join(', ')} is too much.`)
  const whole = (name: 'count' | 'rounds') => {
    if (!/^[1-9]\d*$/.test(values[name])) throw new Error(`--${name} must be a whole number above 0.`)
    return Number(values[name])
  }
  return {
    experiment,
    options: {
      count: whole('count'),
      rounds: whole('rounds'),
      seed: values.seed,
      redis: values.redis,
      logs: values.logs,
      long: values.long,
    },
  }
}

function readArgumentsOrExit(): ReturnType<typeof readArguments> {
  try {
    return readArguments()
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`)
    process.exit(2)
  }
}

if (process.argv.includes('--help')) console.log(usage)
else {
  const { experiment, options } = readArgumentsOrExit()
  process.exitCode = (await experiments[experiment](options)) ? 0 : 1
}
