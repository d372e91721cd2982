import { endLogging, type Logger } from '../telemetry/logger.ts'

// One keypress reaches a process once from the terminal and once more from npm; that is not impatience.
const repeatIgnoredMs = 5_000
const maxCloseMs = 24_000

export type Shutdown = {
  begun(): boolean
  /** Closes and ends the process; does nothing if that has begun already. */
  end(reason: string, exitCode: number): Promise<void>
}

/**
 * Ends the process cleanly on SIGTERM or SIGINT: `close` runs once, and the exit is 0 when it succeeds in time. A
 * signal repeated within 5 s is ignored, a later one ends at once. An uncaught error is logged and ends it too:
 * a process in an unknown state must not continue.
 */
export function shutDownOn(log: () => Logger, close: () => Promise<void>): Shutdown {
  let startedAt: number | undefined

  async function end(reason: string, exitCode: number): Promise<void> {
    if (startedAt !== undefined) return
    startedAt = Date.now()
    // The reason of a failure has been logged already.
    const level = exitCode === 0 ? 'info' : 'debug'
    log()[level]({ reason }, 'process.closing')
    setTimeout(() => {
      log().error({ afterMs: maxCloseMs }, 'process.close_timed_out')
      void exit(1)
    }, maxCloseMs).unref()
    try {
      await close()
      log()[level]({ tookMs: Date.now() - startedAt }, 'process.closed')
    } catch (error) {
      log().error({ err: error }, 'process.close_failed')
      return exit(1)
    }
    await exit(exitCode)
  }

  async function exit(code: number): Promise<void> {
    await endLogging(log())
    process.exit(code)
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (startedAt === undefined) void end(signal, 0)
      else if (Date.now() - startedAt > repeatIgnoredMs) process.exit(1)
    })
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log().fatal({ err: error }, `process.${event}`)
      void end(event, 1)
    })
  }
  return { begun: () => startedAt !== undefined, end }
}
