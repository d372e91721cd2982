import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { EndsLater } from './after-all.ts'

export type FaultyLink = {
  /** The server's address by way of this link. */
  url: string
  /** Breaks every connection, as a server that restarts does; new ones work. */
  drop(): void
  /** Breaks every connection; new ones break at once, until `mend`. */
  cut(): void
  /** Nothing passes any more and no connection ends, as if the other machine had vanished; new ones stall too, until `mend`. */
  stall(): void
  /** New connections work again; those that stalled stay so. */
  mend(): void
}

/** A way to a server over TCP that a test breaks and mends, as a network can; ends with the test context. */
export async function openFaultyLink(context: EndsLater, serverUrl: string): Promise<FaultyLink> {
  const url = new URL(serverUrl)
  const { hostname, port } = url
  const pairs = new Set<Socket[]>()
  let state: 'open' | 'cut' | 'stalled' = 'open'

  const listener = createServer((near) => {
    const far = state === 'open' ? [connect(Number(port), hostname)] : []
    const pair = [near, ...far]
    pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        pairs.delete(pair)
        for (const other of pair) other.destroy()
      })
    }
    if (state === 'cut') near.destroy()
    for (const socket of far) near.pipe(socket).pipe(near)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')

  function drop(): void {
    for (const socket of [...pairs].flat()) socket.destroy()
  }
  context.after(async () => {
    drop()
    listener.close()
    await once(listener, 'close')
  })
  url.hostname = '127.0.0.1'
  url.port = String((listener.address() as AddressInfo).port)
  return {
    url: url.href,
    drop,
    cut() {
      state = 'cut'
      drop()
    },
    stall() {
      state = 'stalled'
      for (const socket of [...pairs].flat()) socket.unpipe().pause()
    },
    mend() {
      state = 'open'
    },
  }
}
