import { createDeps, type Deps } from './deps.ts'
import { type Config, ConfigError, describeConfig } from './platform/config/config.ts'
import { shutDownOn } from './platform/process/shutdown.ts'
import { StartError } from './platform/process/start-error.ts'
import { createLogger } from './platform/telemetry/logger.ts'

// A call to Hostaway may last longer than a process is given to end.
const hangUpAfterMs = 8_000

/**
 * Runs a process until a signal: settings, then what lives as long as the process, then its roles, released in
 * reverse. A problem that a person must solve is printed as a sentence, anything else is logged; both end with 1.
 */
export async function runProcess(
  role: string,
  configure: (releases: AsyncDisposableStack) => Config | Promise<Config>,
  start: (deps: Deps, releases: AsyncDisposableStack) => Promise<void>,
): Promise<void> {
  const releases = new AsyncDisposableStack()
  let log = createLogger({ level: 'info', role })
  // From the first moment: an impatient Ctrl-C must not leave behind what was started until then.
  let hangUp = () => {}
  const shutdown = shutDownOn(
    () => log,
    async () => {
      setTimeout(() => hangUp(), hangUpAfterMs).unref()
      await releases.disposeAsync()
    },
  )
  try {
    const config = await configure(releases)
    log = createLogger({ level: config.LOG_LEVEL, role })
    const deps = await createDeps(config, { role, log })
    hangUp = () => {
      for (const channel of deps.channels.all) channel.hangUp()
    }
    releases.defer(() => deps.close())
    log.info({ settings: describeConfig(config) }, 'process.starting')
    await start(deps, releases)
  } catch (error) {
    // What fails because a signal came meanwhile is no failure.
    if (shutdown.begun()) return
    if (error instanceof ConfigError || error instanceof StartError) console.error(error.message)
    else log.fatal({ err: error }, 'process.start_failed')
    await shutdown.end('start failed', 1)
  }
}
