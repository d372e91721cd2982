import { once } from 'node:events'
import { createServer } from 'node:net'

// Below the range from which the system takes the near end of outgoing connections: a client that keeps trying a
// port of that range while its server is away may take the port itself.
const lowest = 20_000
const highest = 30_000
const maxTries = 100

/** A port of 127.0.0.1 that a server can leave and take again. */
export async function steadyPort(): Promise<number> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    const server = createServer()
    server.listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error(`No free port was found between ${lowest} and ${highest}.`)
}
