import { promises as fs } from 'node:fs'
import path from 'node:path'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { FileMigrationProvider, Migrator } from 'kysely/migration'
import pg from 'pg'
import { loadDatabaseUrl } from '../config/config.ts'
import { sentenceOf } from '../process/start-error.ts'

const migrationFolder = path.join(import.meta.dirname, '../../../migrations')

/**
 * Brings the database to the newest schema; safe to run from several processes at once and to repeat. A newer schema, as a
 * later release left it, is accepted as it is.
 */
export async function migrateToLatest(databaseUrl: string): Promise<string[]> {
  return withMigrator(databaseUrl, async (migrator, db) => {
    if (await isNewer(migrator, db)) return []
    const { error, results } = await migrator.migrateToLatest()
    // Kysely returns the error instead of throwing it.
    if (error !== undefined) throw error
    return (results ?? []).map((result) => result.migrationName)
  })
}

// Kysely takes migrations that it does not know for corruption.
async function isNewer(migrator: Migrator, db: Kysely<unknown>): Promise<boolean> {
  const known = await migrator.getMigrations()
  const { rows } = await sql<{ exists: boolean }>`
    select to_regclass('kysely_migration') is not null as exists
  `.execute(db)
  if (rows[0]?.exists !== true || known.some(({ executedAt }) => executedAt === undefined)) return false
  const { rows: executed } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  return executed.some(({ name }) => !known.some((one) => one.name === name))
}

/** Names the migrations that have not been applied yet, so that a process can refuse to start on an older schema. */
export async function pendingMigrations(databaseUrl: string): Promise<string[]> {
  return withMigrator(databaseUrl, async (migrator) => {
    const migrations = await migrator.getMigrations()
    return migrations.filter((migration) => migration.executedAt === undefined).map(({ name }) => name)
  })
}

async function withMigrator<Result>(
  databaseUrl: string,
  use: (migrator: Migrator, db: Kysely<unknown>) => Promise<Result>,
): Promise<Result> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, connectionTimeoutMillis: 10_000 })
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  try {
    await sql`select 1`.execute(db)
    const provider = new FileMigrationProvider({ fs, path, migrationFolder })
    return await use(new Migrator({ db, provider }), db)
  } finally {
    await db.destroy()
  }
}

if (import.meta.main) {
  try {
    const applied = await migrateToLatest(loadDatabaseUrl())
    console.log(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`)
  } catch (error) {
    console.error(sentenceOf(error))
    process.exitCode = 1
  }
}
