import type { Account } from './accounts.ts'
import type { DeliveryContent } from './delivery-history.ts'
import { DeliveryHistory } from './delivery-history.ts'
import type { EventLog } from './event-log.ts'
import type { Identifiers } from './identifiers.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Delivery, UnifiedWebhook } from './webhook-records.ts'
import type { Answer } from './webhook-sender.ts'
import { WebhookSender } from './webhook-sender.ts'

export type ReleaseOrder = 'given' | 'reversed' | 'shuffled' | number[]

type CourierOptions = {
  identifiers: Identifiers
  random: SeededRandom
  timeScale: number
  timeoutMs: number
  disableAfterMs: number
  log: EventLog
}

const firstRetryMs = 60_000
const retryFactor = 5
const mostRetries = 3
const mostAtOnce = 50

/** Sends events to the registered endpoints, retries as Hostaway does, and remembers every attempt. */
export class WebhookCourier {
  private readonly options: CourierOptions
  private readonly sender: WebhookSender
  private readonly history: DeliveryHistory
  private readonly queue: Delivery[] = []
  private readonly retryTimers = new Map<Delivery, NodeJS.Timeout>()
  private readonly failingSince = new WeakMap<UnifiedWebhook, number>()
  private readonly holding = new Set<number>()
  private readonly idleListeners = new Set<() => void>()
  private sending = 0
  private unsettled = 0
  private stopped = false

  constructor(options: CourierOptions) {
    this.options = options
    this.sender = new WebhookSender(options.timeoutMs)
    this.history = new DeliveryHistory(options.identifiers)
  }

  /** Sends an event to every enabled endpoint of the account that wants it; `copies` times to each. */
  announce(account: Account, content: DeliveryContent, copies = 1): Delivery[] {
    const wanting = [...account.webhooks.values()].filter(
      (webhook) =>
        webhook.isEnabled === 1 && (content.event === null || webhook.events.includes(content.event)),
    )
    return wanting.flatMap((webhook) =>
      Array.from({ length: copies }, () => this.dispatch(account, webhook, content, null)),
    )
  }

  /** Sends a body to all enabled endpoints, whatever events they ask for. */
  announceToAll(account: Account, content: DeliveryContent): Delivery[] {
    return [...account.webhooks.values()]
      .filter((webhook) => webhook.isEnabled === 1)
      .map((webhook) => this.dispatch(account, webhook, content, null))
  }

  /** The call made at registration; it is neither held back nor retried. */
  ping(account: Account, webhook: UnifiedWebhook, body: string): void {
    const content = { event: null, object: null, objectId: null, listingMapId: null, body }
    const delivery = this.history.record({ account, webhook }, content, null)
    this.enqueue(delivery)
  }

  async probe(webhook: UnifiedWebhook): Promise<void> {
    await this.sender.send('GET', webhook, '')
  }

  /** Sends the very same body once more, as a delivery of its own. */
  repeat(delivery: Delivery): Delivery | undefined {
    const target = this.history.targetOf(delivery)
    return target && this.dispatch(target.account, target.webhook, delivery, delivery.id)
  }

  hold(accountId: number): void {
    this.holding.add(accountId)
  }

  /**
   * Sends what was held back, strictly one after another in the order asked for, and stops holding.
   * A list of ids sends only those and keeps the rest held. Returns how many are being sent.
   */
  release(accountId: number, order: ReleaseOrder): number {
    const held = this.history.find(
      (delivery) => delivery.accountId === accountId && delivery.state === 'held',
    )
    const chosen = this.inOrder(held, order)
    if (!Array.isArray(order)) this.holding.delete(accountId)
    for (const delivery of chosen) {
      delivery.state = 'pending'
      this.unsettled += 1
    }
    void this.sendOneByOne(chosen)
    return chosen.length
  }

  /** Gives up everything not yet sent to an endpoint that was removed. */
  discardFor(webhook: UnifiedWebhook): void {
    for (const delivery of this.history.find(({ webhookId }) => webhookId === webhook.id)) {
      if (delivery.state === 'retrying') this.settle(delivery, 'discarded')
      else if (delivery.state === 'held') delivery.state = 'discarded'
    }
  }

  find(accepts: (delivery: Delivery) => boolean): Delivery[] {
    return this.history.find(accepts)
  }

  /** How many deliveries are waiting, under way or due for a retry; those held back do not count. */
  pendingCount(): number {
    return this.unsettled
  }

  /** Resolves with true as soon as nothing is pending, with false after `timeoutMs`. */
  whenIdle(timeoutMs: number): Promise<boolean> {
    if (this.unsettled === 0 || this.stopped) return Promise.resolve(this.unsettled === 0)
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        this.idleListeners.delete(finish)
        resolve(this.unsettled === 0)
      }
      const timer = setTimeout(finish, timeoutMs)
      this.idleListeners.add(finish)
    })
  }

  stop(): void {
    this.stopped = true
    this.queue.length = 0
    for (const timer of this.retryTimers.values()) clearTimeout(timer)
    this.retryTimers.clear()
    this.sender.close()
    for (const listener of this.idleListeners) listener()
  }

  private dispatch(
    account: Account,
    webhook: UnifiedWebhook,
    content: DeliveryContent,
    repeats: number | null,
  ): Delivery {
    const delivery = this.history.record({ account, webhook }, content, repeats)
    if (this.holding.has(account.accountId)) delivery.state = 'held'
    else this.enqueue(delivery)
    return delivery
  }

  private enqueue(delivery: Delivery): void {
    this.unsettled += 1
    this.queue.push(delivery)
    this.drain()
  }

  private drain(): void {
    while (this.sending < mostAtOnce) {
      const delivery = this.queue.shift()
      if (!delivery) return
      this.sending += 1
      void this.attempt(delivery).then(() => {
        this.sending -= 1
        this.drain()
      })
    }
  }

  private async sendOneByOne(deliveries: Delivery[]): Promise<void> {
    for (const delivery of deliveries) await this.attempt(delivery)
  }

  private async attempt(delivery: Delivery): Promise<void> {
    const target = this.history.targetOf(delivery)
    if (this.stopped || !target) return
    const { account, webhook } = target
    if (webhook.isEnabled !== 1 || !account.webhooks.has(webhook.id)) {
      this.settle(delivery, 'discarded')
      return
    }
    delivery.state = 'sending'
    const answer = await this.sender.send('POST', webhook, delivery.body)
    if (this.stopped) return
    delivery.attempts.push(answer.attempt)
    if (delivery.event !== null) this.history.log(target, delivery, answer.attempt.status, answer.body)
    this.judge(webhook, delivery, answer)
  }

  private judge(webhook: UnifiedWebhook, delivery: Delivery, { attempt: { status } }: Answer): void {
    if (status !== null && status >= 200 && status < 300) {
      this.failingSince.delete(webhook)
      this.settle(delivery, 'delivered')
      return
    }
    if (delivery.event === null) {
      this.settle(delivery, 'failed')
      return
    }
    const isTransient = status === null || status >= 500 || status === 429
    if (isTransient && delivery.attempts.length <= mostRetries) this.retryLater(delivery)
    else {
      this.settle(delivery, 'failed')
      this.options.log('delivery failed for good', { deliveryId: delivery.id, status })
    }
    this.noteFailure(webhook)
  }

  private retryLater(delivery: Delivery): void {
    delivery.state = 'retrying'
    const delayMs = firstRetryMs * retryFactor ** (delivery.attempts.length - 1) * this.options.timeScale
    const timer = setTimeout(() => {
      this.retryTimers.delete(delivery)
      this.queue.push(delivery)
      this.drain()
    }, delayMs)
    this.retryTimers.set(delivery, timer)
  }

  private noteFailure(webhook: UnifiedWebhook): void {
    const now = Date.now()
    const since = this.failingSince.get(webhook)
    if (since === undefined) {
      this.failingSince.set(webhook, now)
    } else if (
      now - since >= this.options.disableAfterMs * this.options.timeScale &&
      webhook.isEnabled === 1
    ) {
      webhook.isEnabled = 0
      this.failingSince.delete(webhook)
      this.discardFor(webhook)
      this.options.log('webhook disabled', { webhookId: webhook.id, accountId: webhook.accountId })
    }
  }

  private settle(delivery: Delivery, state: 'delivered' | 'failed' | 'discarded'): void {
    clearTimeout(this.retryTimers.get(delivery))
    this.retryTimers.delete(delivery)
    delivery.state = state
    this.unsettled -= 1
    if (this.unsettled === 0) for (const listener of this.idleListeners) listener()
  }

  private inOrder(held: Delivery[], order: ReleaseOrder): Delivery[] {
    if (order === 'given') return held
    if (order === 'reversed') return held.toReversed()
    if (order === 'shuffled') return this.options.random.shuffled(held)
    return order.flatMap((id) => held.filter((delivery) => delivery.id === id))
  }
}
