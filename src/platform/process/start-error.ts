/** Something a person must change before a process can start; the message says what. */
export class StartError extends Error {}

/** What a command prints of the error that ends it. Where several addresses failed, the error has no message of its own. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(sentenceOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

type Address = { host: string; port: number; setting: string }

const reasons: Record<string, (address: Address) => string> = {
  EADDRINUSE: ({ host, port, setting }) => `Port ${port} on ${host} is taken; set ${setting} to a free one.`,
  EACCES: ({ port, setting }) => `Port ${port} may not be used here; set ${setting} to one above 1023.`,
  EADDRNOTAVAIL: noSuchAddress,
  ENOTFOUND: noSuchAddress,
}

/** Listens; where the address cannot be had, names the setting that asked for it. */
export async function listenOn(listen: () => Promise<unknown>, address: Address): Promise<void> {
  try {
    await listen()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const reason = reasons[code]
    if (reason !== undefined) throw new StartError(reason(address))
    throw error
  }
}

function noSuchAddress({ host }: Address): string {
  return `This machine has no address ${host}; set HOST to one that it has.`
}
