import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Environment } from '../src/platform/config/config.ts'
import { migrateToLatest } from '../src/platform/db/migrate.ts'
import { generateKeyRingEntry } from '../src/platform/vault/vault.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'

/** Where `npm start` keeps what it needs between starts. */
export const dataFolder = path.join(import.meta.dirname, '../.data')

/**
 * Provides what production gets from its settings: an embedded database, migrated, and a key ring, generated at the
 * first start and kept beside it. The database is released with the stack.
 */
export async function provideDatabase(
  releases: AsyncDisposableStack,
  options: { folder: string; temporary?: boolean },
): Promise<Environment> {
  const postgres = await startEmbeddedPostgres({
    ...(options.temporary === true
      ? { temporary: true }
      : { dataDir: path.join(options.folder, 'postgres') }),
  })
  releases.defer(() => postgres.stop())
  await migrateToLatest(postgres.url)
  const keys =
    options.temporary === true ? generateKeyRingEntry('temporary') : await keptKeyRing(options.folder)
  return { DATABASE_URL: postgres.url, ENCRYPTION_KEYS: keys }
}

async function keptKeyRing(folder: string): Promise<string> {
  const file = path.join(folder, 'encryption-keys')
  await mkdir(folder, { recursive: true })
  try {
    // Fails where there is one: a key that secrets are sealed with must never be replaced.
    await writeFile(file, generateKeyRingEntry('local'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  await chmod(file, 0o600)
  return (await readFile(file, 'utf8')).trim()
}
