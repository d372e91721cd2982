import path from 'node:path'
import { freePort } from '../local/free-port.ts'
import { type ServerProcess, startServer } from './child-processes.ts'
import type { Backend, Services } from './services.ts'
import { type StoredAccount, storeAccount } from './stored-account.ts'

/** bare: parses and verifies only. row: one INSERT and one `queue.add` per request. ingress: the product. */
export type Contender = { kind: 'bare' | 'row' | 'ingress'; backend: Backend }

export type RunningContender = {
  account: StoredAccount
  server: ServerProcess
  webhookUrl: string
  stop(): Promise<void>
}

export function nameOf({ kind, backend }: Contender): string {
  return kind === 'bare' ? 'bare' : `${kind}, ${backend}`
}

/** Starts a contender as a process of its own, on a fresh database. */
export async function startContender(
  services: Services,
  contender: Contender,
  nodeOptions: string[],
): Promise<RunningContender> {
  const account = await storeAccount(services, contender.backend)
  const server = await (contender.kind === 'ingress'
    ? startApi(services, account, nodeOptions)
    : startPlain(services, account, contender))
  return {
    account,
    server,
    webhookUrl: `${server.url}/webhooks/hostaway/${account.connectionId}`,
    async stop() {
      await server.stop()
      await services.dropDatabase(account.databaseUrl)
    },
  }
}

export async function startApi(
  services: Services,
  account: StoredAccount,
  nodeOptions: string[] = [],
): Promise<ServerProcess> {
  const port = await freePort()
  return startServer('src/server.ts', {
    url: `http://127.0.0.1:${port}`,
    env: { ...account.env, PORT: String(port) },
    logFile: path.join(services.logFolder, 'api.log'),
    nodeOptions,
  })
}

export async function startWorker(
  services: Services,
  account: StoredAccount,
  nodeOptions: string[] = [],
): Promise<ServerProcess> {
  const port = await freePort()
  return startServer('workers/main.ts', {
    url: `http://127.0.0.1:${port}`,
    env: { ...account.env, METRICS_PORT: String(port) },
    logFile: path.join(services.logFolder, 'worker.log'),
    nodeOptions,
  })
}

async function startPlain(
  services: Services,
  account: StoredAccount,
  { kind, backend }: Contender,
): Promise<ServerProcess> {
  const port = await freePort()
  const options = { port, kind, backend, account, redisUrl: services.redis?.url }
  return startServer('bench/plain-server.ts', {
    url: `http://127.0.0.1:${port}`,
    env: { BENCH_OPTIONS: JSON.stringify(options) },
    logFile: path.join(services.logFolder, 'plain.log'),
  })
}
