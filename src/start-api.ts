import type { FastifyInstance } from 'fastify'
import { createApp } from './app.ts'
import { resumeWork } from './connection-work.ts'
import { connectDefaultAccount } from './connections/connect-default-account.ts'
import type { Deps } from './deps.ts'
import { listenOn } from './platform/process/start-error.ts'
import { beginFirstImport } from './polling/request-import.ts'

/** Serves the API; resolves once it listens. Closing the app answers what is in flight first. */
export async function startApi(deps: Deps): Promise<FastifyInstance> {
  const { config, log } = deps
  const app = await createApp(deps)
  const stopping = new AbortController()
  app.addHook('onClose', async () => stopping.abort())
  const address = { host: config.HOST, port: config.PORT }
  await listenOn(() => app.listen(address), { ...address, setting: 'PORT' })
  log.info({ url: config.PUBLIC_URL, ...address }, 'api.listening')
  if (config.defaultAccount !== undefined) {
    // After listening: Hostaway tests a new webhook at once.
    const onActive = (id: string) => resumeWork(deps, id)
    const connecting = {
      ...deps,
      publicUrl: config.PUBLIC_URL,
      beginImport: beginFirstImport,
      onActive,
    }
    void connectDefaultAccount(connecting, config.defaultAccount, stopping.signal)
  }
  return app
}
