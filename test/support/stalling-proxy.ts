import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

type EndsLater = { after(cleanUp: () => Promise<void>): void }

export type StallingProxy = {
  /** The given address, through the proxy. */
  url: string
  /** From now on nothing passes on the connections there are; they stay open. New ones work. */
  stall(): void
  /** Ends the connections there are, as a server that was killed would. */
  cut(): void
}

/** Passes TCP on to the server of an address until told to stall, like a network that lost a route; ends with the test. */
export async function startStallingProxy(context: EndsLater, target: string): Promise<StallingProxy> {
  const address = new URL(target)
  const pairs = new Set<Socket[]>()
  const server = createServer((near) => {
    const far = connect(Number(address.port), address.hostname)
    const pair = [near, far]
    pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        for (const other of pair) other.destroy()
        pairs.delete(pair)
      })
    }
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy()
  }
  context.after(async () => {
    cut()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = new URL(target)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    cut,
    stall() {
      for (const pair of pairs) {
        for (const socket of pair) {
          socket.unpipe()
          socket.pause()
        }
      }
    },
  }
}
