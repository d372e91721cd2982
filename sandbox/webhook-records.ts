export const eventNames = [
  'reservation.created',
  'reservation.updated',
  'message.received',
  'task.created',
  'task.updated',
] as const

export type UnifiedWebhook = {
  id: number
  accountId: number
  isEnabled: number
  url: string
  login: string | null
  password: string | null
  alertingEmailAddress: string | null
  events: string[]
  insertedOn: string
  updatedOn: string
}

export type WebhookLogEntry = {
  id: number
  accountId: number
  listingMapId: number | null
  webhookNotificationSettingId: number
  isEnabled: number
  url: string
  login: string | null
  password: string | null
  object: string | null
  objectId: number | null
  event: string | null
  responseStatus: number | null
  responseBody: string
}

export type DeliveryAttempt = {
  at: string
  durationMs: number
  status: number | null
  /** What went wrong when there was no answer. */
  error: string | null
}

export type DeliveryState = 'held' | 'pending' | 'sending' | 'retrying' | 'delivered' | 'failed' | 'discarded'

export type Delivery = {
  id: number
  accountId: number
  webhookId: number
  /** Null for the ping on registration. */
  event: string | null
  object: string | null
  objectId: number | null
  listingMapId: number | null
  body: string
  createdAt: string
  state: DeliveryState
  attempts: DeliveryAttempt[]
  /** The delivery that this one repeats. */
  repeats: number | null
}
