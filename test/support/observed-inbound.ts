import assert from 'node:assert/strict'
import type { Kysely } from 'kysely'
import { reservationSubject } from '../../src/bookings/apply/reservation-events.ts'
import type { BookingView } from '../../src/bookings/booking-view.ts'
import { openDatabase } from '../../src/platform/db/database.ts'
import type { Database, WebhookLogRow } from '../../src/platform/db/tables.ts'
import { type EndsLater, lastFirst } from './after-all.ts'
import { watchWebhooks } from './ended-webhooks.ts'
import type { Fields } from './reservation-bodies.ts'
import { whenWebhooksEnded } from './settled-webhooks.ts'
import {
  sandboxAccount,
  startTestSystem,
  type TestConnection,
  type TestSystem,
  type TestSystemOptions,
} from './test-system.ts'

export type Observed = ReturnType<typeof observe>

/** What Hostaway wraps around a body. */
export function announcementOf(data: Fields, event = 'reservation.updated'): Fields {
  return { object: 'reservation', event, accountId: sandboxAccount.accountId, data }
}

/** A system connected to the sandbox's account, and a view of what becomes of its reservations. */
export async function startObserved(
  context: EndsLater,
  { connection: overrides, ...options }: TestSystemOptions & { connection?: Fields } = {},
) {
  const observed = lastFirst(context)
  const system = await startTestSystem(observed, options)
  const connection = await system.connect(overrides)
  // Separate connections: the observer must not take those of the workers.
  const db = openDatabase({
    url: system.config.DATABASE_URL,
    maxConnections: 3,
    statementTimeoutMs: 60_000,
    applicationName: 'observer',
  })
  observed.after(() => db.destroy())
  return { system, connection, db, ...observe(system, connection, db) }
}

/** Delivers reservations over HTTP and looks at everything that became of them. */
export function observe(system: TestSystem, connection: TestConnection, db: Kysely<Database>) {
  const whenEnded = watchWebhooks(db)

  async function accept(body: unknown): Promise<string> {
    const answer = await system.deliver(connection, body)
    assert.equal(answer.status, 200, answer.text)
    return answer.body.webhookId
  }

  const ended = (webhookId: string, timeoutMs = 60_000): Promise<WebhookLogRow> =>
    whenEnded(webhookId, timeoutMs)

  async function bookings(id: number | string): Promise<BookingView[]> {
    const { body } = await system.api<{ data: BookingView[] }>('GET', `/v1/bookings?externalId=${id}`)
    return body.data
  }

  async function block(id: number | string) {
    return db
      .selectFrom('availability_blocks')
      .selectAll()
      .where('connection_id', '=', connection.id)
      .where('external_id', '=', String(id))
      .executeTakeFirst()
  }

  async function events(id: number | string): Promise<Array<{ type: string; data: Fields }>> {
    const rows = await db
      .selectFrom('event_outbox')
      .select(['type', 'data'])
      .where('subject', '=', reservationSubject({ connectionId: connection.id, externalId: String(id) }))
      .orderBy('transaction_id')
      .orderBy('id')
      .execute()
    return rows.map(({ type, data }) => ({ type, data: data as Fields }))
  }

  return {
    accept,
    ended,
    block,
    /** What other services heard of a reservation, in order. */
    events,

    /** Delivers a body as it is and waits for the end of its webhook. */
    deliver: async (body: unknown) => ended(await accept(body)),

    /** Delivers a reservation in Hostaway's envelope and waits for the end of its webhook. */
    send: async (data: Fields, event?: string) => ended(await accept(announcementOf(data, event))),

    /** Waits until no stored webhook is left unprocessed. */
    settled: (timeoutMs?: number) => whenWebhooksEnded(db, timeoutMs),

    /** The bookings of a reservation as the API shows them. */
    bookings,

    async booking(id: number | string): Promise<BookingView> {
      const [booking, ...others] = await bookings(id)
      assert.ok(booking, `reservation ${id} has no booking`)
      assert.equal(others.length, 0)
      return booking
    },

    /** The nights a reservation holds, as `first…departure`; undefined where it holds none. */
    async nights(id: number | string): Promise<string | undefined> {
      const held = await block(id)
      return held === undefined ? undefined : `${held.first_night}…${held.departure}`
    },

    /** The row that waits for a person, if there is one. */
    async queued(id: number | string) {
      return db
        .selectFrom('hostaway_booking_queue')
        .selectAll()
        .where('connection_id', '=', connection.id)
        .where('external_id', '=', String(id))
        .executeTakeFirst()
    },

    async eventTypes(id: number | string): Promise<string[]> {
      return (await events(id)).map(({ type }) => type)
    },
  }
}
