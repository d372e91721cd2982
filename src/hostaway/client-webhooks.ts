import { type Call, type Caller, pathId } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import {
  parseWebhookRegistration,
  toWireWebhook,
  type WebhookRegistration,
  type WebhookTarget,
} from './wire/webhook-registration.ts'

const collection = '/webhooks/unifiedWebhooks'

/** Calls about the webhooks registered for the account. */
export function webhookCalls({ callApi }: Caller) {
  async function write(call: Call, method: 'POST' | 'PUT', target: WebhookTarget, id?: string) {
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
    /** All webhooks of the account, other people's included. */
    listWebhooks: async (call: Call): Promise<WebhookRegistration[]> => {
      const { result } = await callApi(call, { method: 'GET', path: collection, endpoint: collection })
      if (!Array.isArray(result)) throw malformedAnswer('it is not a list', 200)
      return result.flatMap((row) => parseWebhookRegistration(row) ?? [])
    },

    /** Registers a webhook; Hostaway delivers a test at once. Not safe to repeat: look with `listWebhooks` first. */
    createWebhook: (call: Call, target: WebhookTarget): Promise<WebhookRegistration> =>
      write(call, 'POST', target),

    /** Replaces a webhook and enables it; safe to repeat. Throws `not_found`. */
    updateWebhook: (call: Call, id: string, target: WebhookTarget): Promise<WebhookRegistration> =>
      write(call, 'PUT', target, id),

    /** Removes a webhook; throws `not_found` when it is gone already. */
    deleteWebhook: async (call: Call, id: string): Promise<void> => {
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
