import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../../src/platform/errors.ts'
import { createVault, generateKeyRingEntry, parseKeyRing } from '../../../src/platform/vault/vault.ts'

const older = generateKeyRingEntry('older')
const newer = generateKeyRingEntry('newer')
const place = { table: 'connections', column: 'api_key_sealed', row: '1' }
const secret = 'an api key with ünïcödé'

const vaultOf = (ring: string) => createVault(parseKeyRing(ring))
const isUnreadable = (error: unknown) =>
  error instanceof AppError && error.kind === 'sealed_unreadable' && !error.message.includes(secret)

describe('the vault', () => {
  const vault = vaultOf(older)
  const sealed = vault.seal(secret, place)

  it('opens what it sealed, where it was sealed', () => {
    assert.equal(vault.open(sealed, place), secret)
    assert.equal(vault.open(vault.seal('', place), place), '')
  })

  it('seals the same text differently each time, and never readably', () => {
    assert.notEqual(vault.seal(secret, place), sealed)
    assert.ok(!sealed.includes(secret))
    assert.ok(!Buffer.from(sealed.split('.').at(-1) ?? '', 'base64url').includes(secret))
  })

  const elsewhere = {
    row: { ...place, row: '2' },
    column: { ...place, column: 'access_token_sealed' },
    table: { ...place, table: 'tokens' },
    'row that continues the column': { ...place, column: 'api_key_sealed1', row: '' },
  }
  for (const [what, other] of Object.entries(elsewhere)) {
    it(`the vault does not open it in another ${what}`, () => {
      assert.throws(() => vault.open(sealed, other), isUnreadable)
    })
  }

  it('the vault does not open what was altered anywhere', () => {
    for (let position = 0; position < sealed.length; position += 1) {
      const other = sealed[position] === 'A' ? 'B' : 'A'
      const altered = sealed.slice(0, position) + other + sealed.slice(position + 1)
      // The last characters of base64 may hold bits that no byte uses.
      const bytes = (text: string) =>
        text.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'))
      const [version, keyId] = altered.split('.')
      const same = version === 'v1' && keyId === 'older' && bytes(altered).join() === bytes(sealed).join()
      if (!same) assert.throws(() => vault.open(altered, place), isUnreadable, `position ${position}`)
    }
  })

  it('the vault does not open what was cut short or never was sealed', () => {
    const parts = sealed.split('.')
    const shortTag = parts.with(3, (parts[3] ?? '').slice(0, 8)).join('.')
    for (const text of [
      '',
      'v1',
      'v1.older',
      sealed.slice(0, -4),
      parts.slice(0, 4).join('.'),
      shortTag,
      secret,
    ]) {
      assert.throws(() => vault.open(text, place), isUnreadable, text)
    }
  })

  it('the vault does not open with a key that it does not have, and says which place is concerned', () => {
    assert.throws(
      () => vaultOf(newer).open(sealed, place),
      (error) => isUnreadable(error) && /connections\.api_key_sealed of 1/.test(String(error)),
    )
  })

  it('the vault does not open with another key of the same name', () => {
    assert.throws(() => vaultOf(generateKeyRingEntry('older')).open(sealed, place), isUnreadable)
  })

  it('seals with the first key and opens with every key of the ring', () => {
    const rotated = vaultOf(`${newer},${older}`)
    assert.equal(rotated.open(sealed, place), secret)
    const fresh = rotated.seal(secret, place)
    assert.match(fresh, /^v1\.newer\./)
    assert.equal(vaultOf(newer).open(fresh, place), secret)
    assert.throws(() => vault.open(fresh, place), isUnreadable)
  })
})

describe('a key ring', () => {
  it('a key ring takes several keys and spaces between them', () => {
    assert.deepEqual(
      parseKeyRing(` ${newer} , ${older} `).map(({ id }) => id),
      ['newer', 'older'],
    )
  })

  const key = older.split(':')[1] ?? ''
  const short = Buffer.alloc(31, 7).toString('base64')
  const wrong: Array<[string, string, RegExp]> = [
    ['nothing', '', /key 1 needs an id/],
    ['a key without an id', key, /key 1 needs an id/],
    ['a short key without an id', 'c2VjcmV0', /key 1 needs an id/],
    ['an empty id', `:${key}`, /key 1 needs an id/],
    ['an id with other characters', `my key:${key}`, /key 1 needs an id/],
    ['a second key without an id', `${newer},${key}`, /key 2 needs an id/],
    ['a key that is too short', `k1:${short}`, /"k1" must be 32 bytes/],
    ['a key that is too long', `k1:${key}${key}`, /"k1" must be 32 bytes/],
    ['a key in hexadecimal', `k1:${Buffer.from(key, 'base64').toString('hex')}`, /"k1" must be 32 bytes/],
    [
      'a key with a character that base64 has not',
      `k1:${key.slice(0, 20)}!${key.slice(20)}`,
      /"k1" must be 32 bytes/,
    ],
    ['the same id twice', `${older},${older}`, /two keys have the same id/],
    ['a comma at the end', `${older},`, /key 2 needs an id/],
  ]
  for (const [what, text, sentence] of wrong) {
    it(`a key ring with ${what} is refused in a sentence that holds no key`, () => {
      assert.throws(
        () => parseKeyRing(text),
        (error) => {
          const message = String(error)
          assert.match(message, sentence)
          for (const part of text.split(/[:,]/)) {
            if (part.length > 6) assert.ok(!message.includes(part), 'the message holds a key')
          }
          return true
        },
      )
    })
  }
})
