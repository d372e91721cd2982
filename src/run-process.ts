import { acquire } from './acquire.ts'
import { type Config, ConfigError, describeConfig } from './config.ts'
import { createDeps, type Deps } from './deps.ts'
import { shutDownOn } from './shutdown.ts'
import { StartError } from './start-error.ts'
import { createLogger } from './telemetry/logger.ts'

/**
 * Runs a process until a signal: settings, then what lives as long as the process, then its roles, released in
 * reverse. A problem that a person must solve is printed as a sentence, anything else is logged; both end with 1.
 */
export async function runProcess(
  role: string,
  configure: (releases: AsyncDisposableStack) => Config | Promise<Config>,
  start: (deps: Deps, releases: AsyncDisposableStack) => Promise<void>,
): Promise<void> {
  try {
    await acquire(async (releases) => {
      const config = await configure(releases)
      const deps = await createDeps(config, { role })
      releases.defer(() => deps.close())
      deps.log.info({ settings: describeConfig(config) }, 'process.starting')
      await start(deps, releases)
      shutDownOn(deps.log, () => releases.disposeAsync())
    })
  } catch (error) {
    if (error instanceof ConfigError || error instanceof StartError) console.error(error.message)
    else createLogger({ level: 'info', role }).fatal({ err: error }, 'process.start_failed')
    process.exitCode = 1
  }
}
