/** Something a person must change before a process can start; the message says what. */
export class StartError extends Error {}

/** What a command prints of the error that ends it. Where several addresses failed, the error has no message of its own. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(sentenceOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** Listens, and names the setting where the port is taken. */
export async function listenOn(
  listen: () => Promise<unknown>,
  address: { host: string; port: number; setting: string },
): Promise<void> {
  try {
    await listen()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new StartError(
        `Port ${address.port} on ${address.host} is taken; set ${address.setting} to a free one.`,
      )
    }
    throw error
  }
}
