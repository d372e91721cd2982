import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { BenchOptions } from './bench-options.ts'
import { residentMegabytes, runTask } from './child-processes.ts'
import { type RunningContender, startContender } from './contenders.ts'
import type { PaceResult, PaceTask } from './pace.ts'
import { progress, type Section } from './result-table.ts'
import type { Services } from './services.ts'
import { adminToken } from './stored-account.ts'

type Attack = { name: string; run(target: RunningContender, signal: AbortSignal): Promise<void> }

const victimsPerSecond = 50
const pipelined = 1_600
const unreadSockets = 3
const brackets = 1_000_000
const strangers = 16
const eventsPerBody = 1_000
const rangesPerEvent = 1_400

const attacks: Attack[] = [
  { name: 'nothing', run: async () => undefined },
  {
    name: `${pipelined} requests for the API document on one socket, again and again`,
    run: async (target, signal) => {
      while (!signal.aborted) await burst(target, pipelined, 1_000)
    },
  },
  {
    name: `${unreadSockets} sockets whose answers are never read`,
    async run(target, signal) {
      const sockets = await Promise.all(
        Array.from({ length: unreadSockets }, () => openUnread(target, pipelined)),
      )
      await once(signal, 'abort')
      for (const socket of sockets) socket.destroy()
    },
  },
  {
    name: `${strangers} strangers send 1 MB of brackets each, again and again`,
    async run({ server }, signal) {
      const body = '['.repeat(brackets)
      const headers = { 'content-type': 'application/json' }
      await repeatedly(strangers, signal, () =>
        fetch(`${server.url}/webhooks/hostaway`, { method: 'POST', headers, body }),
      )
    },
  },
  {
    name: `a body of ${eventsPerBody * rangesPerEvent} wrong ranges, two at a time`,
    async run({ server }, signal) {
      const ranges = Array.from({ length: rangesPerEvent }, () => ({}))
      const event = { type: 'availability.updated', unitId: 'any', ranges }
      const body = JSON.stringify(Array.from({ length: eventsPerBody }, () => event))
      const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
      await repeatedly(2, signal, () =>
        fetch(`${server.url}/v1/events?tenant=bench`, { method: 'POST', headers, body }),
      )
    },
  },
]

/** What others notice of each attack: how long their webhooks take meanwhile, and what the process holds. */
export async function measureDefence(services: Services, options: BenchOptions): Promise<Section[]> {
  const rows = []
  for (const attack of attacks) {
    const target = await startContender(
      services,
      { kind: 'ingress', backend: 'postgres' },
      options.nodeOptions,
    )
    try {
      rows.push(await measureOne(target, attack, options))
      console.error(progress(rows.at(-1)))
    } finally {
      await target.stop()
    }
  }
  return [{ title: `Webhooks of others at ${victimsPerSecond}/s meanwhile`, rows }]
}

async function measureOne(target: RunningContender, attack: Attack, { seconds }: BenchOptions) {
  const stopping = new AbortController()
  const running = attack.run(target, stopping.signal).catch(() => undefined)
  const task: PaceTask = {
    url: target.webhookUrl,
    method: 'POST',
    headers: target.account.headers,
    body: { kind: '2 kB', firstReservation: 1 },
    perSecond: victimsPerSecond,
    seconds,
    warmUpSeconds: 1,
  }
  const { answers, refused } = await runTask<PaceResult>('bench/pace.ts', task)
  const memory = await residentMegabytes(target.server.pid).catch(() => Number.NaN)
  stopping.abort()
  await Promise.race([running, pause(5_000)])
  return {
    attack: attack.name,
    'p50 ms': answers.p50,
    'p99 ms': answers.p99,
    'max ms': answers.max,
    refused,
    MiB: memory,
  }
}

async function repeatedly(
  times: number,
  signal: AbortSignal,
  request: () => Promise<Response>,
): Promise<void> {
  const loop = async () => {
    while (!signal.aborted) {
      await request()
        .then((response) => response.arrayBuffer())
        .catch(() => pause(10))
    }
  }
  await Promise.all(Array.from({ length: times }, loop))
}

async function burst(target: RunningContender, requests: number, withinMs: number): Promise<void> {
  const socket = await openUnread(target, requests)
  socket.resume()
  await Promise.race([once(socket, 'close'), pause(withinMs)])
  socket.destroy()
}

async function openUnread({ server }: RunningContender, requests: number): Promise<Socket> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write('GET /openapi.json HTTP/1.1\r\nhost: any\r\n\r\n'.repeat(requests))
  return socket
}
