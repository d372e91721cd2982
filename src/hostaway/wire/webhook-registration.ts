import { createFieldReader, isRecord } from './field-reader.ts'

/** A webhook as registered at Hostaway. The credentials are echoed in clear there and go no further than here. */
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

/** Reads a registered webhook; undefined without a usable id or address. Never throws. */
export function parseWebhookRegistration(data: unknown): WebhookRegistration | undefined {
  if (!isRecord(data)) return undefined
  const reader = createFieldReader(data, [])
  const id = reader.id('id')
  const url = reader.text('url')
  if (typeof id !== 'string' || typeof url !== 'string') return undefined
  return {
    id,
    url,
    enabled: reader.flag('isEnabled') === true,
    hasCredentials: typeof reader.text('login') === 'string' && typeof reader.text('password') === 'string',
    alertingEmailAddress: reader.text('alertingEmailAddress') ?? null,
  }
}

/** The body that registers or replaces a webhook. */
export function toWireWebhook(target: WebhookTarget): Record<string, string | number | null> {
  return {
    isEnabled: 1,
    url: target.url,
    login: target.login,
    password: target.password,
    alertingEmailAddress: target.alertingEmailAddress,
  }
}
