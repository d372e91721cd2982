import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

type EndsLater = { after(cleanUp: () => Promise<void>): void }

/** A TCP proxy in front of a database: `url` leads through it, and it can be cut, or silenced, as a network can. */
export async function startCuttableProxy(context: EndsLater, databaseUrl: string) {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let state: 'open' | 'cut' | 'silent' = 'open'
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => {}).on('close', () => sockets.delete(client))
    if (state === 'cut') client.destroy()
    if (state !== 'open') return
    const upstream = connect(Number(target.port), target.hostname)
    sockets.add(upstream)
    upstream
      .on('error', () => {})
      .on('close', () => {
        sockets.delete(upstream)
        client.destroy()
      })
    client.on('close', () => upstream.destroy())
    client.on('data', (bytes) => {
      if (state === 'open') upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (state === 'open') client.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dropAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  context.after(async () => {
    dropAll()
    server.close()
  })
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    /** Breaks every connection off and refuses new ones. */
    cut() {
      state = 'cut'
      dropAll()
    },
    /** Keeps connections and takes new ones, but nothing gets through. */
    silence() {
      state = 'silent'
    },
    /** Lets new connections through again; those that were silenced are broken off. */
    restore() {
      state = 'open'
      dropAll()
    },
  }
}
