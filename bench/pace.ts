import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { type Percentiles, percentiles } from './percentiles.ts'
import { bodyKinds } from './webhook-bodies.ts'

export type PaceTask = {
  url: string
  method: 'POST' | 'GET'
  headers: Record<string, string>
  /** Name of a kind of body; each request is a reservation of its own, counted up from `firstReservation`. */
  body?: { kind: string; firstReservation: number }
  perSecond: number
  seconds: number
  warmUpSeconds: number
  /** Where to hear of bookings that were committed; then their latency is measured as well. */
  bookingsFrom?: string
}
export type PaceResult = {
  answers: Percentiles
  refused: number
  bookings?: Percentiles
  bookingsMissing?: number
}

const lastBookingWithinMs = 20_000

/**
 * Sends at a fixed rate whatever the answers do, and counts each latency from the moment the request was due, so that
 * a server that stalls is charged with everything that had to wait meanwhile.
 */
async function pace(task: PaceTask): Promise<PaceResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: 512 })
  const kind = bodyKinds.find(({ name }) => name === task.body?.kind)
  const dueAt = new Map<string, number>()
  const bookingLatencies: number[] = []
  const listener = task.bookingsFrom === undefined ? undefined : await listen(task.bookingsFrom)
  listener?.on('notification', ({ payload = '' }) => {
    const due = dueAt.get(payload)
    if (due === undefined) return
    dueAt.delete(payload)
    bookingLatencies.push(performance.now() - due)
  })

  const latencies: number[] = []
  let refused = 0
  const total = Math.round(task.perSecond * (task.warmUpSeconds + task.seconds))
  const measuredFrom = Math.round(task.perSecond * task.warmUpSeconds)
  const pending: Promise<void>[] = []
  const startedAt = performance.now() + 20
  for (let sent = 0; sent < total; ) {
    const due = startedAt + (sent * 1_000) / task.perSecond
    const early = due - performance.now()
    if (early > 0) {
      await pause(early)
      continue
    }
    const measured = sent >= measuredFrom
    const reservation = (task.body?.firstReservation ?? 0) + sent
    if (measured && listener !== undefined) dueAt.set(String(reservation), due)
    pending.push(
      send(task, agent, kind?.create(reservation)).then((ok) => {
        if (!measured) return
        if (ok) latencies.push(performance.now() - due)
        else refused += 1
      }),
    )
    sent += 1
  }
  await Promise.all(pending)
  const deadline = performance.now() + lastBookingWithinMs
  while (dueAt.size > 0 && performance.now() < deadline) await pause(20)
  await listener?.end()
  agent.destroy()
  return {
    answers: percentiles(latencies),
    refused,
    ...(listener === undefined
      ? {}
      : { bookings: percentiles(bookingLatencies), bookingsMissing: dueAt.size }),
  }
}

async function listen(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query('listen booked')
  return client
}

function send(task: PaceTask, agent: Agent, body: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request(
      task.url,
      {
        agent,
        method: task.method,
        headers:
          body === undefined
            ? task.headers
            : { ...task.headers, 'content-length': String(Buffer.byteLength(body)) },
      },
      (answer) => {
        answer.on('error', () => resolve(false))
        answer.on('end', () => resolve(answer.statusCode === 200))
        answer.resume()
      },
    )
    outgoing.on('error', () => resolve(false))
    outgoing.end(body)
  })
}

process.stdout.write(JSON.stringify(await pace(JSON.parse(process.argv[2] ?? '{}') as PaceTask)))
