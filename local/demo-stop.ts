// One keypress reaches a process once from the terminal and once more from npm; that is not impatience.
const repeatIgnoredMs = 5_000

/**
 * Aborted by the first SIGINT or SIGTERM, or when the terminal closes. A signal repeated within 5 s is
 * ignored; a later one ends the process at once, and everything it started ends by itself.
 */
export function stopSignal(onStop: () => void): AbortSignal {
  const stopping = new AbortController()
  let startedAt: number | undefined
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (startedAt === undefined) {
        startedAt = Date.now()
        onStop()
        stopping.abort(new Error(`Stopped by ${name}.`))
      } else if (Date.now() - startedAt > repeatIgnoredMs) process.exit(130)
    })
  }
  return stopping.signal
}
