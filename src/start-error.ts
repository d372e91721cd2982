/** Something a person must change before a process can start; the message says what. */
export class StartError extends Error {}

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
