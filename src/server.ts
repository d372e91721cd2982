import { loadConfigWithKeys } from './platform/config/config.ts'
import { runProcess } from './run-process.ts'
import { startApi } from './start-api.ts'

await runProcess(
  'api',
  () => loadConfigWithKeys(),
  async (deps, releases) => {
    const app = await startApi(deps)
    releases.defer(() => app.close())
  },
)
