/** Runs `log` at most once per `everyMs` and passes it the number of calls suppressed since its last run. */
export function createThrottle(everyMs: number): (log: (suppressed: number) => void) => void {
  let lastAt = Number.NEGATIVE_INFINITY
  let suppressed = 0
  return (log) => {
    const now = performance.now()
    if (now - lastAt < everyMs) {
      suppressed += 1
      return
    }
    const count = suppressed
    lastAt = now
    suppressed = 0
    log(count)
  }
}
