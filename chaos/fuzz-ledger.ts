import type { FuzzRecord } from './fuzz-record.ts'
import { rawEvent } from './raw-requests.ts'
import type { VictimSystem } from './victim-system.ts'

/** What came of a fuzz, by what was answered and by the database. */
export type FuzzLedger = {
  sent: number
  brokenOff: number
  raw: number
  answers: [string, number][]
  stored: number
  /** Rows by how they ended. */
  ends: [string, number][]
  deadLetters: [string, number][]
  bookings: number
  complaints: string[]
}

const pageRows = 5_000
const zeroId = '00000000-0000-0000-0000-000000000000'

export async function readFuzzLedger(
  system: VictimSystem,
  record: FuzzRecord,
  cardNumber: string,
): Promise<FuzzLedger> {
  const complaints = [...record.complaints]
  complaints.push(...(await compareRows(system, record)))
  const ends = await tally(
    system,
    'select status as name, count(*)::int as count from webhook_logs group by 1',
  )
  const deadLetters = await tally(
    system,
    'select kind as name, count(*)::int as count from dead_letter_queue group by 1',
  )
  for (const [status, count] of ends) {
    if (status === 'received') complaints.push(`${count} rows came to no end`)
  }
  const faults = await system.query<{ kind: string; message: string; subject: string }>(
    "select kind, message, subject from dead_letter_queue where kind in ('unexpected', 'stalled') limit 10",
  )
  for (const { kind, message, subject } of faults)
    complaints.push(`dead letter ${kind}: ${message} (${subject})`)
  complaints.push(...(await findCards(system, cardNumber)))
  for (const process of [system.api, ...system.workers]) {
    complaints.push(...process.deaths())
    const said = await system.logOf(process)
    if (said.includes(cardNumber)) complaints.push(`${process.name} logged the number of a card`)
    if (said.includes('"level":"fatal"')) complaints.push(`${process.name} logged something fatal`)
  }
  const [bookings] = await tally(system, "select 'bookings' as name, count(*)::int as count from bookings")
  return {
    sent: record.sent,
    brokenOff: record.brokenOff,
    raw: record.raw,
    answers: [...record.answers].sort(([left], [right]) => left.localeCompare(right)),
    stored: record.stored.size,
    ends,
    deadLetters,
    bookings: bookings?.[1] ?? 0,
    complaints,
  }
}

async function compareRows(system: VictimSystem, record: FuzzRecord): Promise<string[]> {
  const complaints: string[] = []
  const missing = new Set(record.stored.keys())
  for (let last = zeroId; ; ) {
    const rows = await system.query<{ id: string; digest: string; event: string | null }>(
      `select id, source_event as event, encode(sha256(convert_to(body, 'UTF8')), 'hex') as digest
       from webhook_logs where id > $1 order by id limit ${pageRows}`,
      [last],
    )
    for (const { id, digest, event } of rows) {
      // The sender of a raw request does not wait long for its answer.
      if (!missing.delete(id) && event !== rawEvent)
        complaints.push(`row ${id} was stored but not answered 200`)
      const sent = record.stored.get(id)
      if (sent !== undefined && sent !== digest) complaints.push(`row ${id} does not hold what was sent`)
      last = id
    }
    if (rows.length < pageRows) break
  }
  for (const id of missing) complaints.push(`webhook ${id} was answered 200 and has no row`)
  return complaints
}

async function findCards(system: VictimSystem, cardNumber: string): Promise<string[]> {
  const places = [
    ['webhook_logs', 'body'],
    ['bookings', 'source'],
    ['hostaway_booking_queue', 'source'],
    ['event_outbox', 'data'],
    ['dead_letter_queue', 'message'],
  ] as const
  const complaints: string[] = []
  for (const [table, column] of places) {
    const [found] = await system.query<{ rows: number; example: string }>(
      `select count(*)::int as rows, min(left(${column}::text, 300)) as example from ${table} where ${column}::text like $1`,
      [`%${cardNumber}%`],
    )
    if (found !== undefined && found.rows > 0) {
      complaints.push(
        `${found.rows} rows of ${table} hold the number of a card, for example ${found.example}`,
      )
    }
  }
  return complaints
}

async function tally(system: VictimSystem, statement: string): Promise<[string, number][]> {
  const rows = await system.query<{ name: string; count: number }>(statement)
  return rows
    .map(({ name, count }): [string, number] => [name, count])
    .sort(([, left], [, right]) => right - left)
}
