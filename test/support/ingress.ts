import { createHmac } from 'node:crypto'
import type { WebhookLogRow } from '../../src/platform/db/tables.ts'
import type { TestConnection, TestSystem } from './test-system.ts'

export type WebhookAnswer = { status: number; headers: Headers; body: Record<string, unknown>; text: string }

/** Sends exactly these bytes and headers; no content type and no credentials of its own. */
export async function post(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<WebhookAnswer> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(bytes) })
  const text = await response.text()
  const json = response.headers.get('content-type')?.includes('json') ?? false
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : {}, text }
}

/** The two addresses that take webhooks, under the names of their tests. */
export const webhookRoutes = [
  {
    route: 'the address of the connection',
    urlOf: (_: TestSystem, { webhookUrl }: TestConnection) => webhookUrl,
  },
  { route: 'the address of all accounts', urlOf: ({ url }: TestSystem) => `${url}/webhooks/hostaway` },
]

/** Headers of a signing gateway over these bytes. */
export function signature(
  secret: string,
  body: string | Uint8Array,
  at: string = String(Math.floor(Date.now() / 1_000)),
): Record<string, string> {
  const hex = createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex')
  return { 'x-hostaway-timestamp': at, 'x-hostaway-signature': hex }
}

export async function webhookRow(system: TestSystem, id: unknown): Promise<WebhookLogRow> {
  return system.db
    .selectFrom('webhook_logs')
    .selectAll()
    .where('id', '=', String(id))
    .executeTakeFirstOrThrow()
}

export async function countWebhooks(system: TestSystem): Promise<number> {
  const { count } = await system.db
    .selectFrom('webhook_logs')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** How many webhooks were refused with this answer, as the metrics tell it. */
export async function countRefused(system: TestSystem, status: number): Promise<number> {
  const { values } = await system.deps.metrics.webhooksRefused.get()
  return values.find(({ labels }) => labels.status_code === String(status))?.value ?? 0
}
