import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { reservationSubject } from '../../src/bookings/apply/reservation-events.ts'
import { lockReservations } from '../../src/bookings/booking-store.ts'
import { appendEvents, type OutboxEvent, readEvents } from '../../src/outbox/outbox-store.ts'
import type { Database } from '../../src/platform/db/tables.ts'
import { startObserved } from '../support/observed-inbound.ts'
import { allEventsAreVisible } from '../support/visible-events.ts'

const { system, connection } = await startObserved({ after }, { workers: false })
const { db } = system
const { id: tenantId } = await db.selectFrom('tenants').select('id').executeTakeFirstOrThrow()

const writers = 12
const transactionsOfEach = 25
const reservations = 5

type Payload = { reservation: string; number: number }

let lastNumber = 0

/** One transaction as the inbound path makes them: lock, events, a commit that may be late or not come at all. */
async function write(writer: number, round: number): Promise<void> {
  const key = { connectionId: connection.id, externalId: `r${(writer * 7 + round * 3) % reservations}` }
  const isRolledBack = (writer + round) % 9 === 0
  await db
    .transaction()
    .execute(async (trx) => {
      await lockReservations(trx, [key])
      const events = Array.from({ length: 1 + (round % 3) }, () => {
        lastNumber += 1
        return {
          tenantId,
          connectionId: connection.id,
          subject: reservationSubject(key),
          type: 'booking.updated' as const,
          data: { reservation: key.externalId, number: lastNumber } satisfies Payload,
        }
      })
      await appendEvents(trx, events)
      await pause((writer * 13 + round * 29) % 23)
      if (isRolledBack) throw new Error('rolled back on purpose')
    })
    .catch((error: unknown) => {
      if (!isRolledBack) throw error
    })
}

/** A subscriber with a cursor: reads small pages until nothing more can come. */
async function follow(source: Kysely<Database>, scope: string | undefined, isOver: () => boolean) {
  const seen: OutboxEvent[] = []
  for (;;) {
    // Asked before the page is read: what becomes visible after an empty page would be missed.
    const isLast = isOver() && (await allEventsAreVisible(db))
    const page = await readEvents(source, { tenantId: scope, after: seen.at(-1)?.id, limit: 7 })
    seen.push(...page)
    if (isLast && page.length === 0) return seen
  }
}

/** The naive subscriber, who trusts the row ids; returns what it saw. */
async function followByRowId(isOver: () => boolean): Promise<Set<string>> {
  const seen = new Set<string>()
  let last = '0'
  for (;;) {
    const over = isOver()
    const page = await db
      .selectFrom('event_outbox')
      .select('id')
      .where('id', '>', last)
      .orderBy('id')
      .execute()
    for (const { id } of page) seen.add(id)
    last = page.at(-1)?.id ?? last
    if (over) return seen
  }
}

it('a reader of the feed misses nothing and sees nothing twice while many write and commit late', async () => {
  let over = false
  const readers = Promise.all([
    follow(db, tenantId, () => over),
    follow(db, undefined, () => over),
    followByRowId(() => over),
  ])
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let round = 0; round < transactionsOfEach; round += 1) await write(writer, round)
    }),
  )
  over = true
  const [ofTenant, ofAll, naive] = await readers
  const stored = await db.selectFrom('event_outbox').select(['id', 'transaction_id']).execute()
  assert.ok(stored.length > writers * transactionsOfEach)
  for (const seen of [ofTenant, ofAll]) {
    const ids = seen.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    assert.deepEqual(ids.toSorted(), stored.map((row) => `${row.transaction_id}-${row.id}`).toSorted())
    const read = Map.groupBy(
      seen.filter(({ type }) => type === 'booking.updated').map(({ data }) => data as Payload),
      ({ reservation }) => reservation,
    )
    assert.equal(read.size, reservations)
    for (const events of read.values()) {
      const numbers = events.map(({ number }) => number)
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
    }
  }
  assert.ok(naive.size < stored.length, 'the writers were too tame to lose a naive reader')
})

it('over HTTP the pages of the feed join without a gap, and the end gives its cursor again', async () => {
  type Page = { data: Array<{ id: string }>; nextCursor: string | null }
  const read = async (cursor: string | null) =>
    (await system.api<Page>('GET', `/v1/feed?limit=50${cursor === null ? '' : `&after=${cursor}`}`)).body
  const ids: string[] = []
  let cursor: string | null = null
  for (;;) {
    const page: Page = await read(cursor)
    if (page.data.length === 0) {
      assert.equal(page.nextCursor, cursor)
      break
    }
    ids.push(...page.data.map(({ id }) => id))
    cursor = page.nextCursor
  }
  const { count } = await db
    .selectFrom('event_outbox')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow()
  assert.equal(new Set(ids).size, Number(count))
  assert.equal(ids.length, Number(count))
})
