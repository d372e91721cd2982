import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { startProcess } from '../../local/demo-processes.ts'
import { eventually } from '../support/eventually.ts'

const repository = path.join(import.meta.dirname, '../..')

type RunningDemo = { child: ChildProcess; output: () => string; ended: Promise<number | string> }

function startDemo(t: TestContext, ...options: string[]): RunningDemo {
  const child = spawn(process.execPath, ['local/demo.ts', ...options], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => signal ?? code)
  return { child, output: () => output, ended }
}

/** The processes of a demo that plays already, each by an address at which it answers. */
async function addressesOf(demo: RunningDemo): Promise<string[]> {
  await eventually(() => assert.match(demo.output(), /→ confirmed after/), { timeoutMs: 90_000 })
  const [api] = /http:\S+(?=\/metrics \(API\))/.exec(demo.output()) ?? []
  const [worker] = /http:\S+(?= \(worker\))/.exec(demo.output()) ?? []
  const [sandbox] = /http:\S+(?=\/deliveries)/.exec(demo.output()) ?? []
  return [`${api}/healthz`, `${worker}`, `${sandbox}/accounts`]
}

async function assertNobodyAnswers(addresses: string[]): Promise<void> {
  await eventually(async () => {
    for (const address of addresses) await assert.rejects(fetch(address), address)
  })
}

test('a short demo ends by itself, everything converged', async (t) => {
  const demo = startDemo(t, '--once', '--changes', '24', '--seed', 'test')
  assert.equal(await demo.ended, 0, demo.output())
  const output = demo.output()
  assert.match(output, /imported from before +300 in \d/)
  assert.match(output, /changes at Hostaway +2\d, to 1\d reservations/)
  assert.match(output, /bookings created +1\d\n/)
  assert.match(output, /waiting for a person +1, status "onHold" is not known/)
  assert.match(output, /of them duplicates +[36]\n/)
  assert.match(output, /webhook to booking +p50 \d.*, p99 \d/)
  assert.match(output, /The worker is killed/)
  assert.match(output, /through an outage +p50 \d/)
  assert.match(output, /edits made in TVL +[1-9]\d*, to \d+ nights\n +API calls spent +[1-9]/)
  assert.match(output, /everything converged +yes/)
})

test('on Ctrl-C the demo compares both sides once and leaves nothing running', async (t) => {
  const demo = startDemo(t)
  const addresses = await addressesOf(demo)
  for (const address of addresses) assert.equal((await fetch(address)).ok, true, address)
  demo.child.kill('SIGINT')
  demo.child.kill('SIGINT')
  assert.equal(await demo.ended, 0, demo.output())
  assert.equal(demo.output().match(/everything converged +yes/g)?.length, 1)
  await assertNobodyAnswers(addresses)
})

test('a demo that is killed takes its processes along', async (t) => {
  const demo = startDemo(t)
  const addresses = await addressesOf(demo)
  demo.child.kill('SIGKILL')
  await demo.ended
  await assertNobodyAnswers(addresses)
})

test('a process that cannot start says why', async () => {
  const plan = {
    name: 'The sandbox',
    file: 'sandbox/sandbox-main.ts',
    environment: { SANDBOX_PORT: 'not a port' },
    readyEvent: 'sandbox started',
  }
  const starting = startProcess(plan, () => {})
  await assert.rejects(starting, /The sandbox ended by itself \(exit code 1\).*SANDBOX_PORT must be/s)
})

test('the death of a process is reported with its last lines', async (t) => {
  const death = Promise.withResolvers<Error>()
  const sandbox = await startProcess(
    {
      name: 'The sandbox',
      file: 'sandbox/sandbox-main.ts',
      environment: { SANDBOX_PORT: '0' },
      readyEvent: 'sandbox started',
    },
    death.resolve,
  )
  t.after(() => sandbox.stop())
  process.kill(sandbox.pid, 'SIGKILL')
  assert.match((await death.promise).message, /The sandbox ended by itself \(SIGKILL\).*sandbox started/s)
})

test('options that mean nothing are refused with the usage', async (t) => {
  const demo = startDemo(t, '--changes', 'many')
  assert.equal(await demo.ended, 1)
  assert.match(demo.output(), /--changes must be a whole number above 0\.\nUsage:/)
})
