import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import type { BookingView } from '../../../src/bookings/booking-view.ts'
import { queueBackends } from '../../support/backends.ts'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, newReservationId, versionAt } from '../../support/reservation-bodies.ts'
import { sandboxAccount } from '../../support/test-system.ts'

const created: Fields = { status: 'new' }
const longer: Fields = { status: 'modified', departureDate: '2027-05-09', totalPrice: 618.75 }
const moved: Fields = {
  ...longer,
  arrivalDate: '2027-05-05',
  listingMapId: 400002,
  guestName: 'Ada B. Example',
}
const history = [created, longer, moved, { ...moved, status: 'cancelled' }, { ...moved, totalPrice: 700 }]

function versionsOf(id: number, count: number): Fields[] {
  return history
    .slice(0, count)
    .map((fields, index) => newReservation({ ...fields, id, updatedOn: versionAt(index) }))
}

/** All orders in which these may arrive. */
function permutationsOf<Item>(items: Item[]): Item[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item, index) =>
    permutationsOf(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  )
}

function content({
  id: _id,
  externalId: _externalId,
  createdAt: _created,
  updatedAt: _updated,
  ...rest
}: BookingView) {
  return rest
}

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, async () => {
    const { system, connection, ...inbound } = await startObserved(
      { after },
      { backend, settings: { LOG_LEVEL: 'warn' } },
    )

    /** What the booking must look like in the end: as if only the newest version had ever come. */
    async function expectedAfter(count: number): Promise<ReturnType<typeof content>> {
      const body = versionsOf(newReservationId(), count).at(-1) ?? {}
      await inbound.send(body)
      return content(await inbound.booking(String(body.id)))
    }

    // A reader of the events must reach the same nights as a reader of the tables.
    async function assertEventsTellTheSame(id: number): Promise<void> {
      let nights: string | undefined
      let heard: Fields | undefined
      for (const { type, data } of await inbound.events(id)) {
        if (type === 'availability.blocked') nights = `${data.firstNight}…${data.departure}`
        else if (type === 'availability.released') nights = undefined
        else if (type !== 'booking.conflict') heard = data.booking as Fields
      }
      assert.equal(nights, await inbound.nights(id))
      assert.equal(heard?.status, (await inbound.booking(id)).status)
    }

    it('created, modified, modified, cancelled end in the same booking in each of their 24 orders', async () => {
      const expected = await expectedAfter(4)
      assert.equal(expected.status, 'cancelled')
      await Promise.all(
        permutationsOf([0, 1, 2, 3]).map(async (order) => {
          const id = newReservationId()
          const versions = versionsOf(id, 4)
          for (const index of order) await inbound.send(versions[index] ?? {})
          assert.deepEqual(content(await inbound.booking(id)), expected, `in the order ${order}`)
          assert.equal(await inbound.nights(id), undefined)
          await assertEventsTellTheSame(id)
        }),
      )
    })

    it('versions that arrive all at once, repeated and in any order, end in the newest', async () => {
      const expected = await Promise.all(history.map((_, index) => expectedAfter(index + 1)))
      const arrivals = fc.integer({ min: 2, max: history.length }).chain((count) =>
        fc
          .array(fc.nat({ max: count - 1 }), { maxLength: 4 })
          .chain((repeats) => {
            const all = [...Array.from({ length: count }, (_, index) => index), ...repeats]
            return fc.shuffledSubarray(all, { minLength: all.length })
          })
          .map((order) => ({ count, order })),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(arrivals, { minLength: 4, maxLength: 4 }), async (stories) => {
          await Promise.all(
            stories.map(async ({ count, order }) => {
              const id = newReservationId()
              const versions = versionsOf(id, count)
              const ids = await Promise.all(
                order.map((index) => inbound.accept(announcementOf(versions[index] ?? {}))),
              )
              await Promise.all(ids.map((webhookId) => inbound.ended(webhookId)))
              assert.deepEqual(content(await inbound.booking(id)), expected[count - 1])
              await assertEventsTellTheSame(id)
            }),
          )
        }),
        // What went wrong depends on the moment; smaller stories would be other ones.
        { numRuns: 12, endOnFailure: true },
      )
      assert.deepEqual(await system.control.calls({ path: '/reservations/**' }), [])
    })

    it('different bodies of the same second end in what Hostaway says', async () => {
      const { accountId } = sandboxAccount
      const order = fc.array(fc.constantFrom('true', 'false', 'false again'), { minLength: 1, maxLength: 5 })
      await fc.assert(
        fc.asyncProperty(order, async (others) => {
          const truth: Fields = await system.control.book(accountId, { silent: true, totalPrice: 321 })
          const bodies: Record<string, Fields> = {
            true: truth,
            false: { ...truth, totalPrice: 123 },
            'false again': { ...truth, guestName: 'Somebody Else' },
          }
          const ids = await Promise.all(
            ['true', 'false', ...others].map((name) => inbound.accept(announcementOf(bodies[name] ?? {}))),
          )
          await Promise.all(ids.map((webhookId) => inbound.ended(webhookId)))
          const booking = await inbound.booking(String(truth.id))
          assert.equal(booking.amount.minor, 32_100)
          assert.equal(booking.guest.name, truth.guestName)
          const fetches = await system.control.calls({ path: `/reservations/${truth.id}` })
          assert.ok(fetches.length >= 1 && fetches.length <= ids.length, `${fetches.length} fetches`)
        }),
        { numRuns: 10, endOnFailure: true },
      )
    })
  })
}
