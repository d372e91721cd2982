import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import { addPipeline } from './api-pipeline.ts'
import { addCalendarEndpoints } from './calendar-endpoints.ts'
import { addControlRoutes } from './control-routes.ts'
import { addConversationEndpoints } from './conversation-endpoints.ts'
import type { EventLog } from './event-log.ts'
import { silentLog } from './event-log.ts'
import { addListingEndpoints } from './listing-endpoints.ts'
import { acceptBodies } from './request-reading.ts'
import { addReservationEndpoints } from './reservation-endpoints.ts'
import type { SandboxSettings } from './settings.ts'
import { defaultSettings } from './settings.ts'
import { addTaskEndpoints } from './task-endpoints.ts'
import { addTokenEndpoint } from './token-endpoint.ts'
import { addWebhookEndpoints } from './webhook-endpoints.ts'
import type { World } from './world.ts'
import { createWorld } from './world.ts'

export type RunningSandbox = {
  url: string
  /** Ends in `/v1`. */
  apiUrl: string
  /** Ends in `/control`. */
  controlUrl: string
  close(): Promise<void>
}

/**
 * Starts a sandbox in this process; settings that are not given have their defaults, the environment is not read.
 * Port 0 takes a free one. Closing breaks off every call and delivery at once and is safe to repeat.
 */
export async function startSandbox(
  overrides: Partial<SandboxSettings> = {},
  log: EventLog = silentLog,
): Promise<RunningSandbox> {
  const settings = { ...defaultSettings(), ...overrides }
  const world = createWorld(settings, log)
  const app = buildApp(world)
  await app.listen({ port: settings.port, host: settings.host })
  const { port } = app.server.address() as AddressInfo
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  const url = `http://${host}:${port}`
  log('sandbox started', { apiUrl: `${url}/v1`, controlUrl: `${url}/control` })
  let closing: Promise<void> | undefined
  return {
    url,
    apiUrl: `${url}/v1`,
    controlUrl: `${url}/control`,
    close() {
      closing ??= (async () => {
        world.courier.stop()
        await app.close()
        log('sandbox stopped')
      })()
      return closing
    },
  }
}

function buildApp(world: World): FastifyInstance {
  const app = Fastify({ forceCloseConnections: true, bodyLimit: 16 * 1024 * 1024 })
  app.register(
    async (api) => {
      acceptBodies(api)
      addPipeline(api, world)
      addTokenEndpoint(api, world)
      addReservationEndpoints(api, world)
      addListingEndpoints(api, world)
      addCalendarEndpoints(api)
      addConversationEndpoints(api, world)
      addTaskEndpoints(api, world)
      addWebhookEndpoints(api, world)
    },
    { prefix: '/v1' },
  )
  app.register(async (control) => addControlRoutes(control, world), { prefix: '/control' })
  return app
}
