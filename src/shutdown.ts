import type { Logger } from './telemetry/logger.ts'

// One keypress reaches a process once from the terminal and once more from npm; that is not impatience.
const repeatIgnoredMs = 5_000
const longestCloseMs = 24_000

/**
 * Ends the process cleanly on SIGTERM or SIGINT: `close` runs once, and the exit is 0 when it succeeds in time. A
 * signal repeated within 5 s is ignored, a later one ends at once. An error nobody caught is logged and ends it too:
 * a process in an unknown state must not go on.
 */
export function shutDownOn(log: Logger, close: () => Promise<void>): void {
  let startedAt: number | undefined

  async function end(reason: string, exitCode: number): Promise<void> {
    startedAt = Date.now()
    log.info({ reason }, 'process.closing')
    const timer = setTimeout(() => {
      log.error({ afterMs: longestCloseMs }, 'process.close_timed_out')
      process.exit(1)
    }, longestCloseMs)
    try {
      await close()
      log.info({ tookMs: Date.now() - startedAt }, 'process.closed')
    } catch (error) {
      log.error({ err: error }, 'process.close_failed')
      process.exitCode = 1
    }
    clearTimeout(timer)
    process.exit(process.exitCode ?? exitCode)
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (startedAt === undefined) void end(signal, 0)
      else if (Date.now() - startedAt > repeatIgnoredMs) process.exit(1)
    })
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, `process.${event}`)
      if (startedAt === undefined) void end(event, 1)
    })
  }
}
