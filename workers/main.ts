import { createDeps } from '../src/deps.ts'
import { loadConfigWithKeys } from '../src/platform/config/config.ts'
import { runProcess } from '../src/platform/process/run-process.ts'
import { startWorkers } from './start-workers.ts'

await runProcess({
  role: 'worker',
  configure: () => loadConfigWithKeys(),
  acquireDeps: createDeps,
  async start(deps, releases) {
    const workers = await startWorkers(deps)
    releases.defer(() => workers.close())
  },
})
