import { type Config, ConfigError, describeConfig } from '../config/config.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { shutDownOn } from './shutdown.ts'
import { StartError } from './start-error.ts'

// A call to a channel may last longer than a process is given to end.
const hangUpAfterMs = 8_000

type Held = {
  close(): Promise<void>
  /** Breaks off the calls under way, so that closing does not wait for them. */
  hangUp(): void
}

export type ProcessSteps<Deps extends Held> = {
  role: string
  configure: (releases: AsyncDisposableStack) => Config | Promise<Config>
  /** Acquires what lives as long as the process. */
  acquireDeps: (config: Config, options: { role: string; log: Logger }) => Promise<Deps>
  start: (deps: Deps, releases: AsyncDisposableStack) => Promise<void>
}

/**
 * Runs a process until a signal: settings, then what lives as long as the process, then its roles, released in
 * reverse. A problem that a person must solve is printed as a sentence, anything else is logged; both end with 1.
 */
export async function runProcess<Deps extends Held>({
  role,
  configure,
  acquireDeps,
  start,
}: ProcessSteps<Deps>): Promise<void> {
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
    const deps = await acquireDeps(config, { role, log })
    hangUp = () => deps.hangUp()
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
