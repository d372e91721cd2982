import { startApi } from '../src/app.ts'
import { loadConfigWithKeys } from '../src/platform/config/config.ts'
import { migrateToLatest } from '../src/platform/db/migrate.ts'
import { generateKeyRingEntry } from '../src/platform/vault/vault.ts'
import { runProcess } from '../src/run-process.ts'
import { startWorkers } from '../workers/start-workers.ts'
import { dataFolder, provideDatabase } from './local-database.ts'

// The API and the workers in one process; with DATABASE_URL unset, on the embedded database.
await runProcess(
  'all',
  async (releases) => {
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
  async (deps, releases) => {
    const workers = await startWorkers(deps)
    releases.defer(() => workers.close())
    const app = await startApi(deps)
    releases.defer(() => app.close())
  },
)
