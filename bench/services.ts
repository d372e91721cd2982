import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client } from 'pg'
import { startEmbeddedPostgres } from '../local/embedded-postgres.ts'
import { migrateToLatest } from '../src/platform/db/migrate.ts'
import { type DurableRedis, startDurableRedis } from './durable-redis.ts'

export type Backend = 'redis' | 'postgres'

/** The servers of one run: PostgreSQL as it comes, committing to disk, or one that is given; and Redis with an append-only file. */
export type Services = {
  /** Undefined where the server is not of this run. */
  postgresPid: number | undefined
  redis: DurableRedis | undefined
  /** Where processes write their logs. */
  logFolder: string
  /** Empties Redis and gives the address of a new database with the product's schema. */
  freshDatabase(): Promise<string>
  dropDatabase(url: string): Promise<void>
  stop(): Promise<void>
}

const template = 'bench_template'

export async function startServices(givenServer: string | undefined): Promise<Services> {
  const logFolder = await mkdtemp(path.join(tmpdir(), 'hostaway-bench-logs-'))
  const postgres = await openPostgres(givenServer)
  const redis = await startDurableRedis().catch(async (error: unknown) => {
    await postgres.stop()
    throw error
  })
  const addressOf = (database: string) => {
    const url = new URL(postgres.url)
    url.pathname = `/${database}`
    return url.href
  }
  async function command(statement: string): Promise<void> {
    const client = new Client({ connectionString: addressOf('postgres') })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }

  await command(`drop database if exists ${template}`)
  await command(`create database ${template}`)
  await migrateToLatest(addressOf(template))
  let created = 0
  return {
    postgresPid: postgres.pid,
    redis,
    logFolder,
    async freshDatabase() {
      await redis?.empty()
      created += 1
      await command(`create database bench_${created} template ${template}`)
      // Each measurement begins with the same distance to the next checkpoint.
      await command('checkpoint')
      return addressOf(`bench_${created}`)
    },
    dropDatabase: (url) => command(`drop database ${new URL(url).pathname.slice(1)} with (force)`),
    async stop() {
      await command(`drop database ${template}`)
      await Promise.all([postgres.stop(), redis?.stop()])
      await rm(logFolder, { recursive: true, force: true })
    },
  }
}

async function openPostgres(
  givenServer: string | undefined,
): Promise<{ url: string; pid: number | undefined; stop(): Promise<void> }> {
  if (givenServer !== undefined) return { url: givenServer, pid: undefined, stop: async () => undefined }
  return startEmbeddedPostgres({ temporary: true, settings: { max_connections: '200' } })
}
