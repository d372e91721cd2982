/** Random choices that are the same for the same seed. */
export type Draw = {
  /** From 0 up to, not including, 1. */
  fraction(): number
  /** Both ends included. */
  whole(least: number, most: number): number
  chance(share: number): boolean
  pick<Value>(values: readonly Value[]): Value
  shuffled<Value>(values: readonly Value[]): Value[]
  bytes(count: number): Buffer
}

/** Draws of their own for each part of a run, so that parts that run at the same time do not disturb each other. */
export function createDraw(seed: string): Draw {
  let state = hash(seed)
  // mulberry32: small, fast and good enough to choose with.
  const fraction = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const whole = (least: number, most: number) => least + Math.floor(fraction() * (most - least + 1))
  return {
    fraction,
    whole,
    chance: (share) => fraction() < share,
    pick(values) {
      const value = values[whole(0, values.length - 1)]
      if (value === undefined) throw new Error('There is nothing to pick from.')
      return value
    },
    shuffled(values) {
      const left = [...values]
      return values.flatMap(() => left.splice(whole(0, left.length - 1), 1))
    },
    bytes: (count) => Buffer.from(Uint8Array.from({ length: count }, () => whole(0, 255))),
  }
}

function hash(text: string): number {
  let value = 0x811c9dc5
  for (const character of text) value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193)
  return value | 0
}
