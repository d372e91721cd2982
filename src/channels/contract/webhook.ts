import type { EventType } from '../../platform/telemetry/metrics.ts'

/** What a delivered webhook is about. `data` is null when the object must be fetched by `objectId`. */
export type WebhookEnvelope = {
  eventType: EventType
  sourceEvent: string | null
  accountId: string | null
  objectId: string | null
  data: Record<string, unknown> | null
  timestamp: Date | null
}

export type ParsedWebhook = { ok: true; event: WebhookEnvelope } | { ok: false; reason: string }

/** A webhook as registered at a channel, without its credentials. */
export type WebhookRegistration = {
  id: string
  url: string
  enabled: boolean
  hasCredentials: boolean
  alertingEmailAddress: string | null
}

/** What to register: where to deliver, and the Basic credentials to send along. */
export type WebhookTarget = {
  url: string
  login: string
  password: string
  alertingEmailAddress: string | null
}

/** In what a registered webhook is not as it should be. */
export type WebhookDeviation = 'disabled' | 'address' | 'credentials' | 'alerting_email'
