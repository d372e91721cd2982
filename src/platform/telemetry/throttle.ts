/** Lets something be said at most once in `everyMs`; what is said is told how often it was held back since the last time. */
export function createThrottle(everyMs: number): (say: (heldBack: number) => void) => void {
  let lastAt = Number.NEGATIVE_INFINITY
  let heldBack = 0
  return (say) => {
    const now = performance.now()
    if (now - lastAt < everyMs) {
      heldBack += 1
      return
    }
    const count = heldBack
    lastAt = now
    heldBack = 0
    say(count)
  }
}
