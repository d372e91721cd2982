import { storableText } from '../../../platform/storable-text.ts'
import { type EventType, eventTypes } from '../../../platform/telemetry/metrics.ts'
import { idText, instantFrom, isRecord } from '../../contract/field-reader.ts'
import type { ParsedWebhook } from '../../contract/webhook.ts'

const knownEvents: ReadonlySet<string> = new Set(eventTypes)
const otherNames = new Map<string, EventType>([['message.created', 'message.received']])
const maxEventName = 100

/** Reads the envelope in every spelling in use; refuses only what is no object. Never throws. */
export function parseWebhookBody(body: unknown): ParsedWebhook {
  if (!isRecord(body)) return { ok: false, reason: 'The body is not a JSON object' }
  const sourceEvent = eventName(own(body, 'event')) ?? eventName(own(body, 'eventType')) ?? null
  const data = dataOf(body)
  return {
    ok: true,
    event: {
      eventType: eventTypeOf(sourceEvent),
      sourceEvent,
      accountId: idText(own(body, 'accountId')) ?? null,
      objectId: objectIdOf(body, data),
      data,
      timestamp: timestampFrom(own(body, 'timestamp')),
    },
  }
}

const registrationPing = /^[ \t\r\n]*\{[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*"test"[ \t\r\n]*\}[ \t\r\n]*$/

/** Hostaway's test of a new webhook: exactly `{"data":"test"}`, with any white space. Cheap for any other text. */
export function isRegistrationPing(text: string): boolean {
  return registrationPing.test(text)
}

function dataOf(body: Record<string, unknown>): Record<string, unknown> | null {
  const data = own(body, 'data')
  if (isRecord(data)) return data
  const payload = own(body, 'payload')
  const nested = isRecord(payload) ? own(payload, 'data') : undefined
  return isRecord(nested) ? nested : null
}

function objectIdOf(body: Record<string, unknown>, data: Record<string, unknown> | null): string | null {
  const ownId =
    data === null ? undefined : (idText(own(data, 'id')) ?? idText(own(data, 'hostawayReservationId')))
  return ownId ?? idText(own(body, 'objectId')) ?? null
}

function eventName(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const name = storableText(value).trim().slice(0, maxEventName).toWellFormed()
  return name === '' ? undefined : name
}

function eventTypeOf(name: string | null): EventType {
  const spelled = (name ?? '').toLowerCase().replaceAll(/[\s_]+/g, '.')
  const renamed = otherNames.get(spelled) ?? spelled
  return isEventType(renamed) ? renamed : 'other'
}

function isEventType(name: string): name is EventType {
  return knownEvents.has(name)
}

const firstMilliseconds = 100_000_000_000
const lastMilliseconds = 4_102_444_800_000

// A number below 1e11 is in seconds: as milliseconds it would be before 1973.
function timestampFrom(value: unknown): Date | null {
  const number =
    typeof value === 'string' && /^\d{9,13}(?:\.\d+)?$/.test(value.trim()) ? Number(value) : value
  if (typeof number === 'number') {
    const milliseconds = number < firstMilliseconds ? number * 1000 : number
    return milliseconds > 0 && milliseconds < lastMilliseconds ? new Date(Math.trunc(milliseconds)) : null
  }
  return instantFrom(value) ?? null
}

function own(record: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
