import { startApi } from './app.ts'
import { loadConfigWithKeys } from './platform/config/config.ts'
import { runProcess } from './run-process.ts'

await runProcess(
  'api',
  () => loadConfigWithKeys(),
  async (deps, releases) => {
    const app = await startApi(deps)
    releases.defer(() => app.close())
  },
)
