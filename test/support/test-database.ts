import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import type { EndsLater } from './after-all.ts'

export const migratedTemplate = 'template_migrated'

/** A migrated, empty database of its own for one test or one file; gives its address and drops it, with whatever is still connected, after the test context ends. */
export async function createTestDatabase(context: EndsLater): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await runOnServer(`create database ${name} template ${migratedTemplate} strategy file_copy`)
  context.after(() => runOnServer(`drop database if exists ${name} with (force)`))
  return databaseUrl(name)
}

/** Address of a database on the server that the test run started. */
export function databaseUrl(name: string): string {
  const server = process.env.TEST_POSTGRES_URL
  if (server === undefined) {
    throw new Error(
      'TEST_POSTGRES_URL is not set: run the tests with "npm test", or pass --test-global-setup.',
    )
  }
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

/** Runs one statement that cannot run inside a database of a test. */
export async function runOnServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl('postgres') })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
