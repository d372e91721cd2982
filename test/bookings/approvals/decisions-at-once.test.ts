import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import fc from 'fast-check'
import { holdingLock, waitingForLocks } from '../../support/advisory-locks.ts'
import { eventually } from '../../support/eventually.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, versionAt } from '../../support/reservation-bodies.ts'

const { system, connection, db, ...inbound } = await startObserved(
  { after },
  { connection: { autoImport: false } },
)

/** What happens to a reservation whose version 0 waits: a newer version, perhaps cancelled, or a decision. */
type Deed = { version: number; cancelled: boolean } | 'import' | 'reject'
type State = { version: number; row: string; booking: 'confirmed' | 'cancelled' | 'none' }

const start: State = { version: 0, row: 'mapped', booking: 'none' }

/** What one deed after another comes to. */
function afterDeed(state: State, deed: Deed): State {
  const isDecidable = state.row !== 'withdrawn' && state.booking === 'none'
  if (deed === 'import') return isDecidable ? { ...state, row: 'imported', booking: 'confirmed' } : state
  if (deed === 'reject') return isDecidable ? { ...state, row: 'rejected' } : state
  const { version, cancelled } = deed
  if (version <= state.version) return state
  if (state.booking !== 'none') return { ...state, version, booking: cancelled ? 'cancelled' : 'confirmed' }
  const back = state.row === 'rejected' ? 'rejected' : 'mapped'
  return { ...state, version, row: cancelled ? 'withdrawn' : back }
}

const textOf = (state: State) => `version ${state.version}, row ${state.row}, booking ${state.booking}`

function serialOutcomes(deeds: Deed[], state = start): Set<string> {
  if (deeds.length === 0) return new Set([textOf(state)])
  return new Set(
    deeds.flatMap((deed, index) => [...serialOutcomes(deeds.toSpliced(index, 1), afterDeed(state, deed))]),
  )
}

let nextYear = 2030

/** A reservation that waits, with the deeds that can be done to it. */
async function waitingReservation() {
  nextYear = nextYear === 2900 ? 2030 : nextYear + 1
  const year = nextYear
  const base = newReservation({ arrivalDate: `${year}-05-03`, listingMapId: 400002 })
  // Every version has a price and a departure of its own.
  const bodyOf = (version: number, cancelled: boolean): Fields => ({
    ...base,
    departureDate: `${year}-05-1${version}`,
    totalPrice: version + 1,
    status: cancelled ? 'cancelled' : 'modified',
    updatedOn: versionAt(version),
  })
  await inbound.send(bodyOf(0, false))
  const row = await inbound.queued(base.id)
  assert.equal(row?.status, 'mapped')

  async function perform(deed: Deed): Promise<void> {
    if (typeof deed !== 'string') {
      await inbound.send(bodyOf(deed.version, deed.cancelled))
      return
    }
    const order = deed === 'import' ? {} : { reason: 'no' }
    const { status, text } = await system.api('POST', `/v1/booking-queue/${row?.id}/${deed}`, order)
    assert.ok(status === 200 || status === 409, text)
  }

  /** What it came to, after it was checked that everything that is known of it agrees. */
  async function outcome(): Promise<string> {
    const queued = await inbound.queued(base.id)
    const bookings = await inbound.bookings(base.id)
    assert.ok(bookings.length <= 1)
    const [booking] = bookings
    assert.ok(queued)
    const version = (queued.version_at.getTime() - Date.parse(`${versionAt(0).replace(' ', 'T')}Z`)) / 1_000
    const state: State = {
      version,
      row: queued.status,
      booking: (booking?.status ?? 'none') as State['booking'],
    }
    const isOff = queued.status === 'withdrawn' || booking?.status === 'cancelled'
    assert.equal(await inbound.nights(base.id), isOff ? undefined : `${year}-05-03…${year}-05-1${version}`)
    if (booking !== undefined) assert.equal(booking.amount.minor, (version + 1) * 100)
    const types = await inbound.eventTypes(base.id)
    const count = (type: string) => types.filter((one) => one === type).length
    assert.equal(count('booking.created'), booking === undefined ? 0 : 1)
    // One that is cancelled, taken up again and cancelled once more is said to be cancelled twice.
    assert.equal(count('booking.cancelled') > 0 && isOff, booking?.status === 'cancelled')
    assert.equal(count('availability.blocked') - count('availability.released'), isOff ? 0 : 1)
    assert.ok(
      booking === undefined ||
        (await inbound.block(base.id)) === undefined ||
        (await inbound.block(base.id))?.booking_id === booking.id,
    )
    return textOf(state)
  }

  return { id: base.id, perform, outcome }
}

const newer = { version: 1, cancelled: false }
const cancellation = { version: 1, cancelled: true }
const pairs: Array<[Deed, Deed]> = [
  ['import', newer],
  ['import', cancellation],
  ['reject', newer],
  ['reject', cancellation],
  ['import', 'reject'],
  ['import', 'import'],
]

it('of two at the same moment the second waits for the first and builds on it, in either order', async () => {
  for (const order of pairs.flatMap((pair) => [pair, pair.toReversed()])) {
    const reservation = await waitingReservation()
    const lock = `reservation:${connection.id}:${reservation.id}`
    const both = await holdingLock(db, lock, async () => {
      const begun: Array<Promise<void>> = []
      for (const deed of order) {
        begun.push(reservation.perform(deed))
        // The first waiter enters first.
        await eventually(async () => assert.equal(await waitingForLocks(db), begun.length), { intervalMs: 2 })
      }
      return begun
    })
    await Promise.all(both)
    assert.equal(await reservation.outcome(), textOf(order.reduce(afterDeed, start)), JSON.stringify(order))
  }
})

const deed = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Deed>('import') },
  { weight: 1, arbitrary: fc.constant<Deed>('reject') },
  {
    weight: 3,
    arbitrary: fc.record({ version: fc.integer({ min: 1, max: 4 }), cancelled: fc.boolean() }),
  },
)
// Two different bodies of one version would have to be settled by Hostaway, which does not know these reservations.
const deeds = fc.uniqueArray(deed, {
  minLength: 2,
  maxLength: 5,
  selector: (one) => (typeof one === 'string' ? Math.random() : one.version),
})

it('many at once come to what some order of them would have come to', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deeds, { minLength: 12, maxLength: 12 }), async (together) => {
      const runs = await Promise.all(
        together.map(async (those) => ({ those, reservation: await waitingReservation() })),
      )
      await Promise.all(
        runs.flatMap(({ those, reservation }) => those.map((one) => reservation.perform(one))),
      )
      for (const { those, reservation } of runs) {
        const found = await reservation.outcome()
        const expected = serialOutcomes(those)
        assert.ok(expected.has(found), `${JSON.stringify(those)} came to ${found}, not to ${[...expected]}`)
      }
    }),
    { numRuns: 3, endOnFailure: true },
  )
})
