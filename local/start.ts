import { startApi } from '../src/app.ts'
import { createDeps } from '../src/deps.ts'
import { loadConfigWithKeys } from '../src/platform/config/config.ts'
import { migrateToLatest } from '../src/platform/db/migrate.ts'
import { runProcess } from '../src/platform/process/run-process.ts'
import { generateKeyRingEntry } from '../src/platform/vault/vault.ts'
import { startWorkers } from '../workers/start-workers.ts'
import { dataFolder, provideDatabase } from './local-database.ts'

// The API and the workers in one process; with DATABASE_URL unset, on the embedded database.
await runProcess({
  role: 'all',
  async configure(releases) {
    if (process.env.DATABASE_URL) {
      const config = await loadConfigWithKeys()
      await migrateToLatest(config.DATABASE_URL)
      return config
    }
    // Wrong settings are reported before a database starts.
    await loadConfigWithKeys({
      DATABASE_URL: 'postgres://embedded',
      ENCRYPTION_KEYS: generateKeyRingEntry('check'),
    })
    return loadConfigWithKeys(await provideDatabase(releases, { folder: dataFolder }))
  },
  acquireDeps: createDeps,
  async start(deps, releases) {
    const workers = await startWorkers(deps)
    releases.defer(() => workers.close())
    const app = await startApi(deps, { besideWorkers: true })
    releases.defer(() => app.close())
  },
})
