import { createHash } from 'node:crypto'
import { type FuzzLedger, readFuzzLedger } from './fuzz-ledger.ts'
import type { FuzzRecord } from './fuzz-record.ts'
import { type FuzzRequest, type FuzzTarget, fuzzRequest } from './fuzz-requests.ts'
import { createFuzzSender } from './fuzz-sender.ts'
import { cardNumber } from './fuzz-values.ts'
import { rawRequest, sendRaw } from './raw-requests.ts'
import { createDraw } from './seeded-draw.ts'
import { until } from './until.ts'
import { account, startVictimSystem, type VictimSystem } from './victim-system.ts'

export type FuzzOptions = {
  count: number
  seed: string
  redis: boolean
  logFolder?: string | undefined
  log: (line: string) => void
}

const listings = 20
const connections = 48
const rawShare = 0.003
const maxComplaints = 50
const progressEveryMs = 10_000
// Without any row coming to its end for so long, nothing more will.
const standsStillMs = 100_000

/** Sends so many requests, lets the workers end everything that was stored, and compares. Leaves nothing running. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzLedger> {
  const system = await startVictimSystem({
    redis: options.redis,
    workers: 1,
    listings,
    timeScale: 0.01,
    logFolder: options.logFolder,
  })
  try {
    const state = await system.control.state(account.accountId)
    const target: FuzzTarget = {
      accountId: account.accountId,
      listingIds: state.listings.map(({ listing }) => listing.id).concat([1, 999_999_999]),
      connectionId: system.webhook.connectionId,
      authorization: system.webhook.authorization,
    }
    const record = await sendAll(system, target, options)
    options.log('everything is sent; waiting for the workers')
    await waitForEnds(system)
    return await readFuzzLedger(system, record, cardNumber)
  } finally {
    await system.close()
  }
}

async function sendAll(system: VictimSystem, target: FuzzTarget, options: FuzzOptions): Promise<FuzzRecord> {
  const draw = createDraw(`${options.seed} fuzz`)
  const sender = createFuzzSender(system.apiUrl, connections)
  const port = Number(new URL(system.apiUrl).port)
  const record: FuzzRecord = {
    sent: 0,
    brokenOff: 0,
    raw: 0,
    answers: new Map(),
    stored: new Map(),
    complaints: [],
  }
  const timer = setInterval(() => options.log(`${record.sent} sent`), progressEveryMs)
  async function sendSome(): Promise<void> {
    while (record.sent < options.count && record.complaints.length < maxComplaints) {
      record.sent += 1
      if (draw.chance(rawShare)) await sendRawOne()
      else await sendOne(fuzzRequest(draw, target))
    }
  }
  async function sendOne(request: FuzzRequest): Promise<void> {
    const { status, webhookId, error } = await sender.send(request)
    if (request.sending === 'broken off' && status === null) {
      record.brokenOff += 1
      return
    }
    count(record, String(status ?? 'none'))
    // The server may hang up on a body that it will not read.
    const isRight = status === null ? request.answers.includes(413) : request.answers.includes(status)
    if (!isRight) record.complaints.push(describe(request, `${status ?? error}`))
    if (webhookId !== undefined)
      record.stored.set(webhookId, request.hasCard ? undefined : digest(request.body))
    else if (status === 200 && request.method === 'POST' && !request.body.includes('test')) {
      record.complaints.push(describe(request, '200 without a row'))
    }
  }
  async function sendRawOne(): Promise<void> {
    const bytes = rawRequest(draw, target)
    const { statuses, webhookIds } = await sendRaw(port, bytes)
    record.raw += 1
    for (const status of statuses) {
      count(record, `raw ${status}`)
      if (status >= 500)
        record.complaints.push(`raw ${JSON.stringify(bytes.toString('latin1').slice(0, 300))}: ${status}`)
    }
    for (const id of webhookIds) record.stored.set(id, undefined)
  }
  try {
    await Promise.all(Array.from({ length: connections }, sendSome))
  } finally {
    clearInterval(timer)
    sender.close()
  }
  return record
}

async function waitForEnds(system: VictimSystem): Promise<void> {
  const countOpen = "select count(*)::int as open from webhook_logs where status = 'received'"
  let fewest = Number.POSITIVE_INFINITY
  let since = Date.now()
  await until(
    async () => {
      const open = (await system.query<{ open: number }>(countOpen))[0]?.open ?? 0
      if (open < fewest) since = Date.now()
      fewest = Math.min(open, fewest)
      return open === 0 || Date.now() - since > standsStillMs
    },
    { withinMs: 3_600_000, everyMs: 250 },
  )
}

function count(record: FuzzRecord, answer: string): void {
  record.answers.set(answer, (record.answers.get(answer) ?? 0) + 1)
}

// The mark at the beginning of a text is no part of it.
function digest(body: Buffer): string {
  const hasMark = body.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]))
  return createHash('sha256')
    .update(hasMark ? body.subarray(3) : body)
    .digest('hex')
}

function describe(request: FuzzRequest, answer: string): string {
  const { method, path, headers, body, sending, answers } = request
  const shown =
    body.length > 400 ? `${body.toString('latin1', 0, 400)}… (${body.length} bytes)` : body.toString('latin1')
  return `${answer} instead of ${answers.join(' or ')}: ${method} ${path.slice(0, 120)} ${sending} ${JSON.stringify({ ...headers, authorization: headers.authorization?.slice(0, 12) })} ${shown}`
}
