import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  compareFields,
  type MergedReservation,
  mergeReservation,
  type ReservationBody,
} from '../../../src/channels/contract/reservation-merge.ts'
import { parseReservation } from '../../../src/channels/hostaway/wire/wire-reservation.ts'

type Fields = Record<string, unknown>

function bodyOf(fields: Fields, version: number, isComplete = false): ReservationBody {
  const { reservation } = parseReservation({ id: 700_001, ...fields }, { isComplete })
  assert.ok(reservation)
  return { reservation, version: `s${version}` }
}

function mergeAll(bodies: ReservationBody[]): MergedReservation {
  const [first, ...rest] = bodies
  assert.ok(first)
  return rest.reduce(mergeReservation, mergeReservation(undefined, first))
}

/** All that counts about a merged reservation: what left something out may look one way or another. */
function contentOf({ reservation, version, fields }: MergedReservation) {
  const { source, ...read } = reservation
  const { isComplete: _, ...reread } = bodyOf(source, 0).reservation
  const said = Object.entries(source).filter(([key, value]) => !reservation.format.isPlaceholder(key, value))
  return {
    version,
    fields,
    said: Object.fromEntries(said),
    units: read.unitCount,
    problems: read.problems,
    reread: { ...reread, source: null },
  }
}

describe('bodies of several versions', () => {
  const full = { status: 'new', guestName: 'Ada', guestEmail: 'ada@example.com', totalPrice: 100, adults: 2 }

  it('keep what a version in between said, whichever comes first', () => {
    const bodies = [
      bodyOf(full, 1),
      bodyOf({ guestName: 'Ada Renamed', totalPrice: 120 }, 2),
      bodyOf({ totalPrice: 130 }, 3),
    ]
    const expected = mergeAll(bodies)
    assert.deepEqual(
      [expected.reservation.guestName, expected.reservation.totalPrice, expected.version],
      ['Ada Renamed', '130', 's3'],
    )
    for (const order of [
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      assert.deepEqual(
        contentOf(mergeAll(order.flatMap((index) => bodies[index] ?? []))),
        contentOf(expected),
      )
    }
  })

  it('note versions of fields only where a body said less than what is known', () => {
    assert.equal(mergeAll([bodyOf(full, 1), bodyOf({ ...full, totalPrice: 5 }, 2)]).fields, null)
    assert.deepEqual(mergeAll([bodyOf(full, 1), bodyOf({ totalPrice: 5 }, 2)]).fields, {
      status: 's1',
      guestName: 's1',
      guestEmail: 's1',
      adults: 's1',
    })
    const complete = mergeAll([bodyOf(full, 1), bodyOf({ totalPrice: 5 }, 2), bodyOf(full, 3)])
    assert.equal(complete.fields, null)
  })

  it('forget a date that was taken away, even if it was said again by something older', () => {
    const bodies = [
      bodyOf({ arrivalDate: '2027-05-01', departureDate: '2027-05-04' }, 1),
      bodyOf({ isDatesUnspecified: 1 }, 2),
      bodyOf({ departureDate: '2027-06-09' }, 3),
    ]
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
    ]) {
      const { reservation } = mergeAll(order.flatMap((index) => bodies[index] ?? []))
      assert.deepEqual(
        [reservation.arrivalDate, reservation.departureDate, reservation.datesUnspecified],
        [undefined, '2027-06-09', false],
      )
    }
  })

  it('bodies of several versions of one version count as the one that is added last has it, and are not mistaken for older ones', () => {
    const known = mergeAll([bodyOf(full, 1), bodyOf({ totalPrice: 130, adults: 1 }, 3)])
    const merged = mergeReservation(known, bodyOf({ totalPrice: 131, guestName: 'Ada B.' }, 3))
    assert.deepEqual(
      [merged.reservation.totalPrice, merged.reservation.guestName, merged.reservation.adults],
      ['131', 'Ada B.', 1],
    )
    assert.deepEqual(merged.fields, { status: 's1', guestEmail: 's1' })
  })

  it('bodies of several versions tell additions from contradictions of one version', () => {
    const known = mergeAll([bodyOf(full, 1), bodyOf({ totalPrice: 130 }, 3)])
    const compare = (fields: Fields, version: number) => compareFields(known, bodyOf(fields, version))
    assert.deepEqual(compare({ totalPrice: 130 }, 3), { bringsNews: false, contradicts: false })
    assert.deepEqual(compare({ totalPrice: 131 }, 3), { bringsNews: false, contradicts: true })
    assert.deepEqual(compare({ guestName: 'Ada B.' }, 3), { bringsNews: true, contradicts: false })
    assert.deepEqual(compare({ guestName: 'Ada B.', totalPrice: 7 }, 2), {
      bringsNews: true,
      contradicts: false,
    })
    assert.deepEqual(compare({ totalPrice: 7 }, 2), { bringsNews: false, contradicts: false })
    // The name is still that of the first version, and another body of that version contradicts it.
    assert.deepEqual(compare({ guestName: 'Eve' }, 1), { bringsNews: false, contradicts: true })
    assert.deepEqual(compare({ isStarred: 1, latestActivityOn: 'x' }, 3), {
      bringsNews: false,
      contradicts: false,
    })
  })

  const names = ['Ada', 'Bob', null]
  const fieldsOf = fc.record(
    {
      status: fc.constantFrom('new', 'modified', 'cancelled'),
      guestName: fc.constantFrom(...names),
      guestEmail: fc.constantFrom(...names),
      phone: fc.constantFrom('1', '2'),
      guestPhone: fc.constantFrom('3', '4'),
      totalPrice: fc.constantFrom(1, 2, 'plenty'),
      listingId: fc.constantFrom(1, 2),
      listingMapId: fc.constantFrom(3, 4),
      arrivalDate: fc.constantFrom('2027-05-01', '2027-05-02', null),
      checkIn: fc.constantFrom('2027-05-03'),
      departureDate: fc.constantFrom('2027-05-08', '2027-05-09'),
      isDatesUnspecified: fc.constantFrom(0, 1),
      reservationUnit: fc.constantFrom([], [{ id: 1 }], [{ id: 1 }, { id: 2 }]),
      customFieldValues: fc.constantFrom([], [{ id: 1, value: 'x' }]),
      hostProxyEmail: fc.constantFrom(null, 'proxy@example.com'),
      bookingcomBookerName: fc.constantFrom(null, 'Booker'),
      doorCode: fc.constantFrom('1', null),
    },
    { requiredKeys: [] },
  )
  const story = fc
    .array(fc.tuple(fieldsOf, fc.boolean()), { minLength: 2, maxLength: 6 })
    .map((bodies) => bodies.map(([fields, asked], index) => bodyOf(fields, index, asked)))
    .chain((bodies) =>
      fc
        .array(fc.nat({ max: bodies.length - 1 }), { maxLength: 3 })
        .chain((repeats) => {
          const all = [...bodies.keys(), ...repeats]
          return fc.shuffledSubarray(all, { minLength: all.length })
        })
        .map((order) => ({ bodies, order })),
    )

  it('end in the same reservation in every order, repeated or not', () => {
    fc.assert(
      fc.property(story, ({ bodies, order }) => {
        const merged = mergeAll(order.flatMap((index) => bodies[index] ?? []))
        assert.deepEqual(contentOf(merged), contentOf(mergeAll(bodies)))
        for (const body of bodies) {
          assert.deepEqual(compareFields(merged, body), { bringsNews: false, contradicts: false })
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('read the same after they were stored', () => {
    fc.assert(
      fc.property(story, ({ bodies }) => {
        const merged = mergeAll(bodies)
        const stored = JSON.parse(
          JSON.stringify({ ...merged, reservation: merged.reservation.source }),
        ) as Fields
        const { reservation } = bodyOf(stored.reservation as Fields, 0)
        const again = { ...merged, reservation }
        assert.deepEqual(contentOf(again), contentOf(merged))
        for (const body of bodies) {
          assert.deepEqual(compareFields(again, body), { bringsNews: false, contradicts: false })
        }
      }),
      { numRuns: 300 },
    )
  })
})
