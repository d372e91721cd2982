import { createFieldReader, isRecord } from '../../contract/field-reader.ts'
import type { WebhookDeviation, WebhookRegistration, WebhookTarget } from '../../contract/webhook.ts'

// Hostaway echoes the credentials in clear. They stay beside the registration, so that no log line and no row can
// spread them.
const echoedCredentials = new WeakMap<WebhookRegistration, { login: unknown; password: unknown }>()

/** Reads a registered webhook; undefined without a usable id or address. Never throws. */
export function parseWebhookRegistration(data: unknown): WebhookRegistration | undefined {
  if (!isRecord(data)) return undefined
  const reader = createFieldReader(data, [])
  const id = reader.id('id')
  const url = reader.text('url')
  if (typeof id !== 'string' || typeof url !== 'string') return undefined
  const login = reader.text('login')
  const password = reader.text('password')
  const registration = {
    id,
    url,
    enabled: reader.flag('isEnabled') === true,
    hasCredentials: typeof login === 'string' && typeof password === 'string',
    alertingEmailAddress: reader.text('alertingEmailAddress') ?? null,
  }
  echoedCredentials.set(registration, { login, password })
  return registration
}

/** Compares a webhook as Hostaway showed it with what was to be registered; none where it is as it should be. */
export function deviationsOf(registration: WebhookRegistration, target: WebhookTarget): WebhookDeviation[] {
  const { login, password } = echoedCredentials.get(registration) ?? {}
  const isMasked = typeof password === 'string' && /^\*+$/.test(password)
  const deviations: Array<[WebhookDeviation, boolean]> = [
    ['disabled', !registration.enabled],
    ['address', comparable(registration.url) !== comparable(target.url)],
    ['credentials', login !== target.login || (password !== target.password && !isMasked)],
    ['alerting_email', registration.alertingEmailAddress !== target.alertingEmailAddress],
  ]
  return deviations.filter(([, deviates]) => deviates).map(([deviation]) => deviation)
}

function comparable(url: string): string {
  return (URL.parse(url)?.href ?? url).replace(/\/+$/, '')
}

/** The status of a delivery in Hostaway's log; null for no answer. Never throws. */
export function parseDeliveryStatus(data: unknown): number | null {
  const status = isRecord(data) ? Number(data.responseStatus ?? Number.NaN) : Number.NaN
  return Number.isInteger(status) && status > 0 ? status : null
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
