import type { CallContext } from '../contract/channel.ts'
import type { WebhookRegistration, WebhookTarget } from '../contract/webhook.ts'
import { type HostawayCaller, pathId } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import { parseDeliveryStatus, parseWebhookRegistration, toWireWebhook } from './wire/webhook-registration.ts'

const collection = '/webhooks/unifiedWebhooks'
const log = '/unifiedWebhookLogs'
const maxPages = 20
const deliveriesAsked = 50

/** Calls about the webhooks registered for the account. */
export function webhookCalls({ callApi }: HostawayCaller) {
  async function write(call: CallContext, method: 'POST' | 'PUT', target: WebhookTarget, id?: string) {
    const { result } = await callApi(call, {
      method,
      path: id === undefined ? collection : `${collection}/${pathId(id)}`,
      endpoint: id === undefined ? collection : `${collection}/:id`,
      body: toWireWebhook(target),
      secrets: [target.login, target.password, basicCredentials(target)],
    })
    const registration = parseWebhookRegistration(result)
    if (registration === undefined) throw malformedAnswer('it does not describe the webhook', 200)
    return registration
  }

  return {
    /** All webhooks of the account, other people's included; one request unless the answer is a full page. */
    listWebhooks: async (call: CallContext): Promise<WebhookRegistration[]> => {
      const found = new Map<string, WebhookRegistration>()
      let offset = 0
      for (let page = 0; page < maxPages; page += 1) {
        const before = found.size
        const { result, limit } = await callApi(call, {
          method: 'GET',
          path: collection,
          endpoint: collection,
          ...(offset === 0 ? {} : { query: { offset } }),
        })
        if (!Array.isArray(result)) throw malformedAnswer('it is not a list', 200)
        for (const webhook of result.flatMap((row) => parseWebhookRegistration(row) ?? [])) {
          found.set(webhook.id, webhook)
        }
        offset += result.length
        // Paging of this list is not documented: only an answer that says it was cut is followed by another call.
        if (limit === undefined || result.length < limit || found.size === before) break
      }
      return [...found.values()]
    },

    /** Registers a webhook; Hostaway delivers a test at once. Not safe to repeat: look with `listWebhooks` first. */
    createWebhook: (call: CallContext, target: WebhookTarget): Promise<WebhookRegistration> =>
      write(call, 'POST', target),

    /** Replaces a webhook and enables it; safe to repeat. Throws `not_found`. */
    updateWebhook: (call: CallContext, id: string, target: WebhookTarget): Promise<WebhookRegistration> =>
      write(call, 'PUT', target, id),

    /** The answers to a webhook's deliveries in Hostaway's log, one page of them; null for no answer. */
    listDeliveryStatuses: async (call: CallContext, id: string): Promise<Array<number | null>> => {
      const query = { unifiedWebhookId: id, limit: deliveriesAsked }
      const { result } = await callApi(call, { method: 'GET', path: log, endpoint: log, query })
      if (!Array.isArray(result)) throw malformedAnswer('it is not a list', 200)
      return result.map(parseDeliveryStatus)
    },

    /** Removes a webhook; throws `not_found` when it is gone already. */
    deleteWebhook: async (call: CallContext, id: string): Promise<void> => {
      await callApi(call, {
        method: 'DELETE',
        path: `${collection}/${pathId(id)}`,
        endpoint: `${collection}/:id`,
      })
    },
  }
}

function basicCredentials({ login, password }: WebhookTarget): string {
  return Buffer.from(`${login}:${password}`).toString('base64')
}
