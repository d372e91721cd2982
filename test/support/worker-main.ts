import { createDeps } from '../../src/deps.ts'
import { loadConfigWithKeys } from '../../src/platform/config/config.ts'
import { startWorkers } from '../../workers/start-workers.ts'

// A worker whose jobs others take over soon after it was killed.
const queueTimes = { lockMs: 2_000, stalledCheckMs: 500 }
const deps = await createDeps(await loadConfigWithKeys(), { role: 'worker', queueTimes })
await startWorkers(deps)
