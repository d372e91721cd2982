import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  compareVersions,
  newerVersion,
  versionText,
} from '../../../src/bookings/apply/reservation-version.ts'
import type { ReservationVersion } from '../../../src/bookings/booking-store.ts'

type Incoming = Parameters<typeof compareVersions>[0]

const at = (second: number) => new Date(Date.UTC(2027, 0, 1, 0, 0, second))
const incoming = (fields: Partial<Incoming> = {}): Incoming => ({
  kind: 'source',
  at: at(10),
  fetchedAt: null,
  receivedAt: at(20),
  ...fields,
})
const stored = (fields: Partial<ReservationVersion> = {}): ReservationVersion => ({
  kind: 'source',
  at: at(10),
  fetchedAt: null,
  ...fields,
})
const contradiction = { bringsNews: false, contradicts: true }
const nothingNew = { bringsNews: false, contradicts: false }
const compare = (one: Incoming, other: ReservationVersion | undefined, bodies = contradiction) =>
  compareVersions(one, other, () => bodies)

describe('an incoming version', () => {
  it('an incoming version is applied where nothing is stored, where it is newer, and over a provisional one', () => {
    assert.equal(compare(incoming(), undefined), 'apply')
    assert.equal(compare(incoming(), stored({ at: at(9) })), 'apply')
    assert.equal(compare(incoming({ at: at(1) }), stored({ kind: 'provisional' })), 'apply')
  })

  it('an incoming version that is older or only provisional does not replace what is stored', () => {
    assert.equal(compare(incoming(), stored({ at: at(11) }), nothingNew), 'older')
    assert.equal(compare(incoming({ at: at(9), fetchedAt: at(99) }), stored(), nothingNew), 'older')
    assert.equal(compare(incoming({ kind: 'provisional', at: at(99) }), stored(), nothingNew), 'older')
  })

  it('an incoming version that is older is applied where it has a field of its own', () => {
    assert.equal(compare(incoming(), stored({ at: at(11) }), { ...nothingNew, bringsNews: true }), 'apply')
    assert.equal(
      compare(incoming(), stored({ at: at(11) }), { ...contradiction, bringsNews: true }),
      'conflict',
    )
  })

  it('an incoming version of the same second is a repetition, an addition or a contradiction, by what it says', () => {
    assert.equal(compare(incoming(), stored(), nothingNew), 'same')
    assert.equal(compare(incoming(), stored(), { ...nothingNew, bringsNews: true }), 'apply')
    assert.equal(compare(incoming(), stored()), 'conflict')
    assert.equal(compare(incoming({ kind: 'provisional' }), stored({ kind: 'provisional' })), 'apply')
  })

  it('an incoming version that was asked for settles a contradiction, unless a later answer did', () => {
    assert.equal(compare(incoming({ fetchedAt: at(21) }), stored()), 'apply')
    assert.equal(compare(incoming({ fetchedAt: at(21) }), stored({ fetchedAt: at(21) })), 'apply')
    assert.equal(compare(incoming({ fetchedAt: at(21) }), stored({ fetchedAt: at(22) })), 'older')
  })

  it('an incoming version that contradicts an answer asked for after it had come is settled by that answer', () => {
    assert.equal(compare(incoming({ receivedAt: at(20) }), stored({ fetchedAt: at(21) })), 'older')
    assert.equal(compare(incoming({ receivedAt: at(21) }), stored({ fetchedAt: at(21) })), 'conflict')
    assert.equal(compare(incoming({ receivedAt: null }), stored({ fetchedAt: at(21) })), 'conflict')
  })
})

it('the texts of versions sort as the versions do', () => {
  const inOrder = [
    stored({ kind: 'provisional', at: at(1) }),
    stored({ kind: 'provisional', at: at(99) }),
    stored({ at: at(1) }),
    stored({ at: at(2) }),
  ].map(versionText)
  assert.deepEqual(inOrder.toSorted(), inOrder)
})

it('of two stored versions the newer counts, the second where they are equal', () => {
  const first = stored()
  const second = stored()
  assert.equal(newerVersion(first, second), second)
  const later = stored({ at: at(11) })
  assert.equal(newerVersion(later, second), later)
  assert.equal(newerVersion(second, later), later)
  const provisional = stored({ kind: 'provisional', at: at(99) })
  assert.equal(newerVersion(first, provisional), first)
  assert.equal(newerVersion(provisional, first), first)
})
