import path from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigError, loadDatabaseUrl } from '../src/platform/config/config.ts'
import { openDatabase } from '../src/platform/db/database.ts'
import type { Role } from '../src/platform/db/tables.ts'
import { acquire } from '../src/platform/process/acquire.ts'
import { sentenceOf } from '../src/platform/process/start-error.ts'
import { createApiToken } from '../src/tenants/api-token-store.ts'
import { ensureTenant } from '../src/tenants/tenant-store.ts'
import { findRunningPostgres } from './embedded-postgres.ts'
import { dataFolder, provideDatabase } from './local-database.ts'

const roles: readonly Role[] = ['admin', 'owner', 'manager', 'viewer', 'service']
const usage = `Usage: npm run token -- --tenant <slug> --role <${roles.join('|')}> [--name <what it is for>]`

if (process.argv.includes('--help')) console.log(usage)
else await printToken()

async function printToken(): Promise<void> {
  try {
    const token = await acquire(async (releases) => {
      const made = await makeToken(readArguments(), await findDatabase(releases))
      await releases.disposeAsync()
      return made
    })
    // Alone on stdout, so that a script can take it.
    console.log(token)
  } catch (error) {
    console.error(sentenceOf(error))
    process.exitCode = 1
  }
}

type TokenRequest = { tenant: string | undefined; role: Role; name: string }

async function findDatabase(releases: AsyncDisposableStack): Promise<string> {
  if (process.env.DATABASE_URL) return loadDatabaseUrl()
  const running = await findRunningPostgres(path.join(dataFolder, 'postgres'))
  if (running !== undefined) return running.url
  const provided = await provideDatabase(releases, { folder: dataFolder })
  if (provided.DATABASE_URL === undefined) throw new ConfigError(['DATABASE_URL is missing'])
  return provided.DATABASE_URL
}

async function makeToken({ tenant, role, name }: TokenRequest, url: string): Promise<string> {
  const db = openDatabase({ url, maxConnections: 1, applicationName: 'hostaway-token' })
  try {
    const owner = tenant === undefined ? undefined : await ensureTenant(db, tenant)
    if (owner?.created) console.error(`Tenant ${owner.slug} did not exist and was created.`)
    return (await createApiToken(db, { tenantId: owner?.id ?? null, role, name })).token
  } finally {
    await db.destroy()
  }
}

function readArguments(): TokenRequest {
  const { values } = parseArgs({
    options: { tenant: { type: 'string' }, role: { type: 'string' }, name: { type: 'string' } },
  })
  const role = roles.find((known) => known === values.role)
  if (role === undefined) throw new Error(`--role must be one of ${roles.join(', ')}.\n${usage}`)
  if (role === 'admin' && values.tenant !== undefined) {
    throw new Error(`An admin token belongs to no tenant: leave --tenant out.\n${usage}`)
  }
  if (role !== 'admin' && !/^[a-z0-9][a-z0-9-]{0,62}$/.test(values.tenant ?? '')) {
    throw new Error(`--tenant must be a slug of lower-case letters, digits and dashes.\n${usage}`)
  }
  return { tenant: values.tenant, role, name: values.name ?? 'made on the command line' }
}
