import type { FastifyInstance } from 'fastify'
import type { Account } from './accounts.ts'
import { accountOf } from './api-pipeline.ts'
import { succeed, succeedWithList } from './hostaway-answers.ts'
import type { JsonObject, JsonValue } from './json-text.ts'
import { phpJson } from './json-text.ts'
import { pageByOffset } from './list-paging.ts'
import { datetimeText } from './plain-days.ts'
import { InvalidInput, NotFound } from './refusals.ts'
import { bodyObject, idFromPath, queryTexts } from './request-reading.ts'
import type { UnifiedWebhook } from './webhook-records.ts'
import { eventNames } from './webhook-records.ts'
import type { World } from './world.ts'

/** Registration of webhook endpoints, and the log of what was delivered to them. */
export function addWebhookEndpoints(app: FastifyInstance, world: World): void {
  const path = '/webhooks/unifiedWebhooks'

  app.get(path, async (request, reply) =>
    succeedWithList(
      world,
      reply,
      pageByOffset([...accountOf(request).webhooks.values()], queryTexts(request), (webhook) => ({
        ...webhook,
      })),
    ),
  )

  app.get(`${path}/:id`, async (request, reply) =>
    succeed(reply, { ...webhookOf(accountOf(request), idFromPath(request, 'id')) }),
  )

  app.post(path, async (request, reply) => {
    const account = accountOf(request)
    const now = datetimeText(Date.now())
    const webhook: UnifiedWebhook = {
      id: world.identifiers.next('webhook'),
      accountId: account.accountId,
      isEnabled: 1,
      url: '',
      login: null,
      password: null,
      alertingEmailAddress: null,
      events: [...eventNames],
      insertedOn: now,
      updatedOn: now,
    }
    Object.assign(webhook, readWebhook(webhook, bodyObject(request)))
    account.webhooks.set(webhook.id, webhook)
    world.courier.ping(account, webhook, phpJson({ data: 'test' }))
    if (world.switches.probeWithGet) void world.courier.probe(webhook)
    world.log('webhook registered', { accountId: account.accountId, webhookId: webhook.id })
    return succeed(reply, { ...webhook })
  })

  app.put(`${path}/:id`, async (request, reply) => {
    const webhook = webhookOf(accountOf(request), idFromPath(request, 'id'))
    Object.assign(webhook, readWebhook(webhook, bodyObject(request)), { updatedOn: datetimeText(Date.now()) })
    return succeed(reply, { ...webhook })
  })

  app.delete(`${path}/:id`, async (request, reply) => {
    const account = accountOf(request)
    const webhook = webhookOf(account, idFromPath(request, 'id'))
    account.webhooks.delete(webhook.id)
    world.courier.discardFor(webhook)
    return succeed(reply, [])
  })

  app.get('/unifiedWebhookLogs', async (request, reply) => {
    const query = queryTexts(request)
    const entries = accountOf(request).webhookLogs.filter(
      (entry) =>
        (query.unifiedWebhookId === undefined ||
          String(entry.webhookNotificationSettingId) === query.unifiedWebhookId) &&
        (query.listingMapId === undefined || String(entry.listingMapId) === query.listingMapId),
    )
    const page = pageByOffset(entries.toReversed(), query, (entry) => ({ ...entry }))
    return succeedWithList(world, reply, page)
  })
}

function webhookOf(account: Account, id: number): UnifiedWebhook {
  const webhook = account.webhooks.get(id)
  if (!webhook) throw new NotFound()
  return webhook
}

function readWebhook(before: UnifiedWebhook, sent: JsonObject): Partial<UnifiedWebhook> {
  const { isEnabled = before.isEnabled, url = before.url, events = before.events } = sent
  if (isEnabled !== 0 && isEnabled !== 1) throw new InvalidInput('isEnabled must be 0 or 1')
  if (typeof url !== 'string' || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new InvalidInput('url must be an http or https address')
  }
  if (!Array.isArray(events) || !events.every((event) => eventNames.some((name) => name === event))) {
    throw new InvalidInput(`events must be taken from ${eventNames.join(', ')}`)
  }
  return {
    isEnabled,
    url,
    events: events.map(String),
    login: textOrNull('login', sent.login, before.login),
    password: textOrNull('password', sent.password, before.password),
    alertingEmailAddress: textOrNull(
      'alertingEmailAddress',
      sent.alertingEmailAddress,
      before.alertingEmailAddress,
    ),
  }
}

function textOrNull(name: string, value: JsonValue | undefined, before: string | null): string | null {
  if (value === undefined) return before
  if (value !== null && typeof value !== 'string') throw new InvalidInput(`${name} must be a text or null`)
  return value
}
