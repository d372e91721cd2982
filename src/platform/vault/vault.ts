import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError } from '../errors.ts'

const algorithm = 'aes-256-gcm'
const keyBytes = 32
const ivBytes = 12
const tagBytes = 16
const encodedKeyPattern = /^[A-Za-z0-9+/_-]{43}=?$/
const keyIdPattern = /^[A-Za-z0-9_-]{1,32}$/

export type KeyRing = ReadonlyArray<{ id: string; key: Buffer }>

/** Where a sealed value lives. A ciphertext copied to another row or column does not open there. */
export type SealedPlace = { table: string; column: string; row: string }

export type Vault = {
  /** Seals under the first key of the ring; every call gives another ciphertext. */
  seal(plaintext: string, place: SealedPlace): string
  /** Opens with whichever key of the ring sealed it; fails with `sealed_unreadable`, never with a wrong text. */
  open(sealed: string, place: SealedPlace): string
}

/** Reads `id:base64-32-bytes[,older…]`; throws one sentence that names what is wrong, never the key. */
export function parseKeyRing(text: string): KeyRing {
  const ring = text.split(',').map((entry, position) => {
    const [id = '', encoded] = splitOnce(entry.trim(), ':')
    // Without a colon it may be the key itself, which must not be repeated.
    if (encoded === undefined || !keyIdPattern.test(id))
      throw new Error(`key ${position + 1} needs an id of letters, digits, - or _ before a colon`)
    const key = Buffer.from(encoded, 'base64')
    // Node skips what is not base64 and stops at padding: a mistyped key would silently become another one.
    if (!encodedKeyPattern.test(encoded) || key.length !== keyBytes)
      throw new Error(`key "${id}" must be 32 bytes in base64`)
    return { id, key }
  })
  if (new Set(ring.map(({ id }) => id)).size !== ring.length) throw new Error('two keys have the same id')
  return ring
}

/** A fresh key ring entry in the form that `parseKeyRing` reads. */
export function generateKeyRingEntry(id: string): string {
  return `${id}:${randomBytes(keyBytes).toString('base64')}`
}

/** What every value that a key sealed begins with. */
export function sealedPrefix(keyId: string): string {
  return `v1.${keyId}.`
}

/** The id of the key that sealed a value, by its own word. */
export function keyIdOf(sealed: string): string {
  return sealed.split('.', 2)[1] ?? ''
}

export function createVault(ring: KeyRing): Vault {
  const [sealing] = ring
  if (sealing === undefined) throw new Error('A vault needs at least one key')
  return {
    seal(plaintext, place) {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv(algorithm, sealing.key, iv).setAAD(placeBytes(place))
      const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
      const parts = [iv, cipher.getAuthTag(), ciphertext].map((part) => part.toString('base64url'))
      return sealedPrefix(sealing.id) + parts.join('.')
    },
    open(sealed, place) {
      const [version, keyId, iv, tag, ciphertext, ...more] = sealed.split('.')
      const key = ring.find(({ id }) => id === keyId)?.key
      if (version !== 'v1' || key === undefined || more.length > 0) {
        throw new AppError('sealed_unreadable', `No key in ENCRYPTION_KEYS opens ${describePlace(place)}`)
      }
      try {
        const decipher = createDecipheriv(algorithm, key, fromBase64(iv), { authTagLength: tagBytes })
        decipher.setAAD(placeBytes(place)).setAuthTag(fromBase64(tag))
        return Buffer.concat([decipher.update(fromBase64(ciphertext)), decipher.final()]).toString('utf8')
      } catch {
        throw new AppError('sealed_unreadable', `${describePlace(place)} was altered or sealed elsewhere`)
      }
    },
  }
}

function placeBytes({ table, column, row }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([table, column, row]))
}

function describePlace({ table, column, row }: SealedPlace): string {
  return `${table}.${column} of ${row}`
}

function fromBase64(text: string | undefined): Buffer {
  return Buffer.from(text ?? '', 'base64url')
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}
