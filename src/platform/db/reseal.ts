import { parseArgs } from 'node:util'
import type { Kysely } from 'kysely'
import { loadSealingConfig } from '../config/config.ts'
import { StartError, sentenceOf } from '../process/start-error.ts'
import type { KeyRing } from '../vault/vault.ts'
import { openDatabase } from './database.ts'
import { createLocks } from './locks.ts'
import { inspectSealing, resealSecrets, type SealingState } from './reseal-secrets.ts'
import type { Database } from './tables.ts'

const maxPlacesShown = 20

// Ends with 0 only where everything opens and is sealed under the first key, so that a script can wait for it.
try {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  const { databaseUrl, keyRing } = await loadSealingConfig()
  const db = openDatabase({ url: databaseUrl, maxConnections: 2, applicationName: 'hostaway-reseal' })
  try {
    if (!values.check) console.log(`Re-sealed ${await resealAlone(databaseUrl, db, keyRing)}.`)
    const state = await inspectSealing(db, keyRing)
    for (const sentence of sentencesOf(state, keyRing, values.check)) console.log(sentence)
    process.exitCode = countOfOtherKeys(state, keyRing) + state.unreadable.length === 0 ? 0 : 1
  } finally {
    await db.destroy()
  }
} catch (error) {
  console.error(sentenceOf(error))
  process.exitCode = 1
}

async function resealAlone(url: string, db: Kysely<Database>, ring: KeyRing): Promise<number> {
  const locks = createLocks({ url, onError: () => undefined })
  try {
    const resealed = await locks.tryWith('reseal', () => resealSecrets(db, ring))
    if (resealed === undefined)
      throw new StartError('Secrets are being re-sealed already; let that end first.')
    return resealed.result
  } finally {
    await locks.close()
  }
}

function countOfOtherKeys({ countByKey }: SealingState, [sealing]: KeyRing): number {
  return [...countByKey].reduce((sum, [keyId, count]) => (keyId === sealing?.id ? sum : sum + count), 0)
}

function sentencesOf(state: SealingState, ring: KeyRing, check: boolean): string[] {
  const { countByKey, unreadable } = state
  const unused = ring.slice(1).flatMap(({ id }) => (countByKey.has(id) ? [] : [`"${id}"`]))
  const sentences = [...countByKey].map(([keyId, count]) => `Key "${keyId}" seals ${count}.`)
  for (const { table, column, row, keyId } of unreadable.slice(0, maxPlacesShown)) {
    sentences.push(`No key opens ${table}.${column} of ${row}, which key "${keyId}" sealed.`)
  }
  if (unreadable.length > maxPlacesShown) sentences.push(`… and ${unreadable.length - maxPlacesShown} more.`)
  const lost = unreadable.filter(({ keyId }) => keyId !== ring[0]?.id)
  if (countOfOtherKeys(state, ring) > lost.length) {
    sentences.push(
      check
        ? 'Run this without --check to seal all of it under the first key.'
        : 'Something still seals under another key: restart every process with the new key first, then run this again.',
    )
  }
  if (unused.length > 0) sentences.push(`No longer needed in ENCRYPTION_KEYS: ${unused.join(', ')}.`)
  return sentences
}
