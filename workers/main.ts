import { loadConfigWithKeys } from '../src/platform/config/config.ts'
import { runProcess } from '../src/run-process.ts'
import { startWorkers } from './start-workers.ts'

await runProcess(
  'worker',
  () => loadConfigWithKeys(),
  async (deps, releases) => {
    const workers = await startWorkers(deps)
    releases.defer(() => workers.close())
  },
)
