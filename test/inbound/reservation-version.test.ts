import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compareVersions, newerVersion, type StoredVersion } from '../../src/inbound/reservation-version.ts'

type Incoming = Parameters<typeof compareVersions>[0]

const at = (second: number) => new Date(Date.UTC(2027, 0, 1, 0, 0, second))
const incoming = (fields: Partial<Incoming> = {}): Incoming => ({
  kind: 'source',
  at: at(10),
  fetchedAt: null,
  receivedAt: at(20),
  ...fields,
})
const stored = (fields: Partial<StoredVersion> = {}): StoredVersion => ({
  kind: 'source',
  at: at(10),
  fetchedAt: null,
  sameContent: false,
  ...fields,
})

describe('an incoming version', () => {
  it('is applied where nothing is stored, where it is newer, and over a provisional one', () => {
    assert.equal(compareVersions(incoming(), undefined), 'apply')
    assert.equal(compareVersions(incoming(), stored({ at: at(9) })), 'apply')
    assert.equal(compareVersions(incoming({ at: at(1) }), stored({ kind: 'provisional' })), 'apply')
  })

  it('that is older or only provisional does not replace what is stored', () => {
    assert.equal(compareVersions(incoming(), stored({ at: at(11) })), 'older')
    assert.equal(compareVersions(incoming({ at: at(9), fetchedAt: at(99) }), stored()), 'older')
    assert.equal(compareVersions(incoming({ kind: 'provisional', at: at(99) }), stored()), 'older')
  })

  it('of the same second is a repetition or a contradiction, by what it says', () => {
    assert.equal(compareVersions(incoming(), stored({ sameContent: true })), 'same')
    assert.equal(compareVersions(incoming(), stored()), 'conflict')
    assert.equal(compareVersions(incoming({ kind: 'provisional' }), stored({ kind: 'provisional' })), 'apply')
  })

  it('that was asked for settles a contradiction, unless a later answer did', () => {
    assert.equal(compareVersions(incoming({ fetchedAt: at(21) }), stored()), 'apply')
    assert.equal(compareVersions(incoming({ fetchedAt: at(21) }), stored({ fetchedAt: at(21) })), 'apply')
    assert.equal(compareVersions(incoming({ fetchedAt: at(21) }), stored({ fetchedAt: at(22) })), 'older')
  })

  it('that contradicts an answer asked for after it had come is settled by that answer', () => {
    assert.equal(compareVersions(incoming({ receivedAt: at(20) }), stored({ fetchedAt: at(21) })), 'older')
    assert.equal(compareVersions(incoming({ receivedAt: at(21) }), stored({ fetchedAt: at(21) })), 'conflict')
    assert.equal(compareVersions(incoming({ receivedAt: null }), stored({ fetchedAt: at(21) })), 'conflict')
  })
})

it('of two stored versions the newer counts, the second where they are equal', () => {
  const first = stored({ sameContent: true })
  const second = stored()
  assert.equal(newerVersion(first, second), second)
  const later = stored({ at: at(11) })
  assert.equal(newerVersion(later, second), later)
  assert.equal(newerVersion(second, later), later)
  const provisional = stored({ kind: 'provisional', at: at(99) })
  assert.equal(newerVersion(first, provisional), first)
  assert.equal(newerVersion(provisional, first), first)
})
