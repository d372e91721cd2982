/**
 * Waits for work, but no longer than so many milliseconds; then it resolves to what `late` returns, or rejects with
 * what `late` throws. Nothing stops the work itself. The timer keeps no process alive.
 */
export async function withTimeout<Result, Fallback>(
  milliseconds: number,
  work: Promise<Result>,
  late: () => Fallback,
): Promise<Result | Fallback> {
  const { promise: timedOut, resolve } = Promise.withResolvers<typeof expired>()
  const timer = setTimeout(resolve, milliseconds, expired).unref()
  try {
    const first = await Promise.race([work, timedOut])
    return first === expired ? late() : first
  } finally {
    clearTimeout(timer)
  }
}

const expired = Symbol('expired')
