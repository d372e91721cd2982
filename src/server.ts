import { startApi } from './app.ts'
import { createDeps } from './deps.ts'
import { loadConfigWithKeys } from './platform/config/config.ts'
import { runProcess } from './platform/process/run-process.ts'

await runProcess({
  role: 'api',
  configure: () => loadConfigWithKeys(),
  acquireDeps: createDeps,
  async start(deps, releases) {
    const app = await startApi(deps)
    releases.defer(() => app.close())
  },
})
