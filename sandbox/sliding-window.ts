/** Counts calls over the last `windowMs`, exactly, by remembering when each one arrived. */
export class SlidingWindow {
  readonly limit: number
  readonly windowMs: number
  peak = 0
  private arrivals: number[] = []
  private oldest = 0

  constructor(limit: number, windowMs: number) {
    this.limit = limit
    this.windowMs = windowMs
  }

  used(now: number): number {
    while (this.oldest < this.arrivals.length && now - (this.arrivals[this.oldest] ?? 0) >= this.windowMs) {
      this.oldest += 1
    }
    if (this.oldest > 1_000) {
      this.arrivals = this.arrivals.slice(this.oldest)
      this.oldest = 0
    }
    return this.arrivals.length - this.oldest
  }

  /** When the next call would be let in: `now` if there is room. */
  opensAt(now: number): number {
    if (this.used(now) < this.limit) return now
    const blocking = this.arrivals[this.arrivals.length - this.limit]
    return blocking === undefined ? now + this.windowMs : blocking + this.windowMs
  }

  record(now: number): void {
    this.arrivals.push(now)
    this.peak = Math.max(this.peak, this.used(now))
  }
}
