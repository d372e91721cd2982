import type { Account } from './accounts.ts'
import type { Identifiers } from './identifiers.ts'
import type { Delivery, UnifiedWebhook } from './webhook-records.ts'

export type DeliveryContent = Pick<Delivery, 'event' | 'object' | 'objectId' | 'listingMapId' | 'body'>

export type DeliveryTarget = { account: Account; webhook: UnifiedWebhook }

const mostDeliveriesKept = 20_000
const settledStates = new Set(['delivered', 'failed', 'discarded'])

/** Remembers deliveries with their attempts; beyond 20,000 the oldest settled ones are forgotten. */
export class DeliveryHistory {
  private readonly identifiers: Identifiers
  private readonly targets = new WeakMap<Delivery, DeliveryTarget>()
  private deliveries: Delivery[] = []

  constructor(identifiers: Identifiers) {
    this.identifiers = identifiers
  }

  record(target: DeliveryTarget, content: DeliveryContent, repeats: number | null): Delivery {
    const { event, object, objectId, listingMapId, body } = content
    const delivery: Delivery = {
      id: this.identifiers.next('delivery'),
      accountId: target.account.accountId,
      webhookId: target.webhook.id,
      event,
      object,
      objectId,
      listingMapId,
      body,
      createdAt: new Date().toISOString(),
      state: 'pending',
      attempts: [],
      repeats,
    }
    this.targets.set(delivery, target)
    this.deliveries.push(delivery)
    if (this.deliveries.length > mostDeliveriesKept * 1.1) this.forgetOldest()
    return delivery
  }

  targetOf(delivery: Delivery): DeliveryTarget | undefined {
    return this.targets.get(delivery)
  }

  find(accepts: (delivery: Delivery) => boolean): Delivery[] {
    return this.deliveries.filter(accepts)
  }

  /** Writes an attempt into the log that the account can read through the API. */
  log({ account, webhook }: DeliveryTarget, delivery: Delivery, status: number | null, body: string): void {
    account.webhookLogs.push({
      id: this.identifiers.next('webhookLog'),
      accountId: account.accountId,
      listingMapId: delivery.listingMapId,
      webhookNotificationSettingId: webhook.id,
      isEnabled: webhook.isEnabled,
      url: webhook.url,
      login: webhook.login,
      password: webhook.password === null ? null : '****',
      object: delivery.object,
      objectId: delivery.objectId,
      event: delivery.event,
      responseStatus: status,
      responseBody: body,
    })
    if (account.webhookLogs.length > mostDeliveriesKept * 1.1) {
      account.webhookLogs = account.webhookLogs.slice(-mostDeliveriesKept)
    }
  }

  private forgetOldest(): void {
    let excess = this.deliveries.length - mostDeliveriesKept
    this.deliveries = this.deliveries.filter((delivery) => {
      if (excess <= 0 || !settledStates.has(delivery.state)) return true
      excess -= 1
      return false
    })
  }
}
