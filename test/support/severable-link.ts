import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, connect as openSocket, type Socket } from 'node:net'

type EndsLater = { after(cleanUp: () => Promise<void>): void }
type State = 'open' | 'cut' | 'silent'

export type SeverableLink = {
  /** The server's address by way of this link. */
  url: string
  /** Breaks every connection; new ones break at once. */
  cut(): void
  /** Nothing passes any more in either direction, and nobody is told: as if the other machine had vanished. */
  silence(): void
  /** New connections work again; those that fell silent stay so. */
  mend(): void
}

/** A way to a server over TCP that a test can break and mend; ends with the test context. */
export async function openSeverableLink(context: EndsLater, serverUrl: string): Promise<SeverableLink> {
  const target = new URL(serverUrl)
  const pairs = new Set<[Socket, Socket | undefined]>()
  let state: State = 'open'

  const listener = createServer((near) => {
    if (state === 'cut') {
      near.destroy()
      return
    }
    const far = state === 'open' ? openSocket(Number(target.port), target.hostname) : undefined
    const pair: [Socket, Socket | undefined] = [near, far]
    pairs.add(pair)
    for (const socket of [near, far]) {
      socket?.on('error', () => {})
      socket?.on('close', () => {
        pairs.delete(pair)
        near.destroy()
        far?.destroy()
      })
    }
    if (far === undefined) return
    near.pipe(far)
    far.pipe(near)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')

  function cut(): void {
    state = 'cut'
    for (const [near] of pairs) near.destroy()
  }

  context.after(async () => {
    cut()
    listener.close()
    await once(listener, 'close')
  })
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((listener.address() as AddressInfo).port)
  return {
    url: url.href,
    cut,
    silence() {
      state = 'silent'
      for (const [near, far] of pairs) {
        near.unpipe()
        far?.unpipe()
      }
    },
    mend() {
      state = 'open'
    },
  }
}
