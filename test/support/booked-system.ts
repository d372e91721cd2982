import assert from 'node:assert/strict'
import type { BookingDetail } from '../../src/bookings/booking-view.ts'
import { inDays } from './desired-events.ts'
import { eventually } from './eventually.ts'
import { sandboxAccount, type TestSystem } from './test-system.ts'

const { accountId } = sandboxAccount

export type Timeline = Array<{ step: string; detail: string }>
export type ShownBooking = BookingDetail & { timeline: Timeline }

/** The body of a booking of the first listing, three nights from the day so many days from now. */
export function bookingBody(days: number, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    unitId: 'hostaway-400001',
    checkIn: inDays(days),
    checkOut: inDays(days + 3),
    guest: { name: 'Ada Example', email: 'ada@example.com', phone: '+49 30 000000' },
    guests: { adults: 2, children: 1 },
    amount: { total: '412.50', currency: 'EUR' },
    note: 'arrives late',
    ...changes,
  }
}

/** Makes, changes and looks at bookings over HTTP, and at what the sandbox holds of them. */
export function bookedSystem(system: TestSystem) {
  async function post(body: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${system.url}/v1/bookings?tenant=demo`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${system.config.ADMIN_API_TOKEN}`,
        'content-type': 'application/json',
        ...headers,
      },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as BookingDetail & Problem }
  }

  async function show(id: string): Promise<ShownBooking> {
    const { body } = await system.api<ShownBooking>('GET', `/v1/bookings/${id}`)
    return body
  }

  async function reservations() {
    const state = await system.control.state(accountId)
    return state.reservations
  }

  return {
    post,
    show,
    reservations,

    /** Makes a booking that is expected to be taken. */
    async book(body: Record<string, unknown>): Promise<BookingDetail> {
      const answer = await post(body)
      assert.equal(answer.status, 201, JSON.stringify(answer.body))
      return answer.body
    },

    patch: (id: string, change: unknown) =>
      system.api<BookingDetail & Problem>('PATCH', `/v1/bookings/${id}`, change),

    cancel: (id: string) => system.api<BookingDetail & Problem>('POST', `/v1/bookings/${id}/cancel`),

    /** Waits until the push of a booking has ended, and returns the booking then. */
    async whenPushed(id: string, status = 'done', timeoutMs = 15_000): Promise<ShownBooking> {
      return eventually(
        async () => {
          const booking = await show(id)
          assert.equal(booking.push?.status, status, JSON.stringify(booking))
          return booking
        },
        { timeoutMs },
      )
    },

    /** Waits for the booking of a reservation that was made at Hostaway. */
    async bookingOf(reservationId: number): Promise<BookingDetail> {
      const path = `/v1/bookings?externalId=${reservationId}`
      return eventually(async () => {
        const { body } = await system.api<{ data: BookingDetail[] }>('GET', path)
        assert.ok(body.data[0])
        return body.data[0]
      })
    },

    /** The reservations that carry the marker of a booking. */
    async reservationsOf(id: string) {
      return (await reservations()).filter(({ customerUserId }) => customerUserId === `tvl-${id}`)
    },

    /** The nights that are blocked on a unit's account, as `first…departure of <key>`, in order. */
    async blocks(): Promise<string[]> {
      const rows = await system.db
        .selectFrom('availability_blocks')
        .selectAll()
        .orderBy('first_night')
        .execute()
      return rows.map((row) => `${row.first_night}…${row.departure}`)
    },
  }
}

export type Problem = { code: string; detail: string; errors?: Array<{ field: string; message: string }> }
