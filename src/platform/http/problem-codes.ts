import { type FailureKind, failureKinds } from '../errors.ts'

const ownCodes = [
  'ACCOUNT_ALREADY_CONNECTED',
  'ALREADY_IMPORTED',
  'BAD_REQUEST',
  'BODY_TOO_LARGE',
  'BOOKING_CANCELLED',
  'BOOKING_NOT_CHANGEABLE',
  'CONNECTION_BUSY',
  'CONNECTION_DISCONNECTED',
  'CONNECTION_NEEDS_KEY',
  'CONNECTION_NOT_ACTIVE',
  'CONNECTION_NOT_CONNECTED',
  'DEAD_LETTER_NOT_OPEN',
  'EVENT_ID_REUSED',
  'EVENT_NOT_APPLICABLE',
  'FORBIDDEN',
  'FOREIGN_ACCOUNT',
  'IDEMPOTENCY_KEY_REUSED',
  'IMPORT_NOT_RUNNING',
  'IMPORT_RUNNING',
  'INVALID_CURSOR',
  'MAPPING_CHANGED',
  'MAPPING_NOT_APPLICABLE',
  'METHOD_NOT_ALLOWED',
  'NOT_A_JSON_OBJECT',
  'NOT_FOUND',
  'RESERVATION_INCOMPLETE',
  'RESERVATION_WITHDRAWN',
  'TENANT_ALREADY_CONNECTED',
  'TENANT_EXISTS',
  'TENANT_REQUIRED',
  'TOO_MANY_REQUESTS',
  'UNAUTHENTICATED',
  'UNIT_ALREADY_MAPPED',
  'UNIT_NOT_AVAILABLE',
  'UNSUPPORTED_MEDIA_TYPE',
  'VALIDATION_FAILED',
  'WEBHOOK_NOT_STORED',
] as const

const channelCodes = ['CREDENTIALS_REJECTED', 'REFUSED', 'UNAVAILABLE'] as const
const anyChannel = 'CHANNEL_'
type ChannelCode = (typeof channelCodes)[number]

/** What is wrong, for programs: a code of the API's own, a channel's, or the kind of a failure that ended the request. */
export type AnswerCode =
  | (typeof ownCodes)[number]
  | `${Uppercase<string>}_${ChannelCode}`
  | Uppercase<FailureKind>

/** The code of a failure that a request ends with. */
export function codeOfKind(kind: FailureKind): Uppercase<FailureKind> {
  return kind.toUpperCase() as Uppercase<FailureKind>
}

/** The code of what a channel did: `HOSTAWAY_UNAVAILABLE`. */
export function codeOfChannel(name: string, code: ChannelCode): `${Uppercase<string>}_${ChannelCode}` {
  return `${name.toUpperCase() as Uppercase<string>}_${code}`
}

/** The refusals with the codes of these channels. */
export function refusalsOf(channels: string[], refusals: Refusals): Refusals {
  const ofEach = (code: AnswerCode) =>
    code.startsWith(anyChannel)
      ? channels.map((name) => codeOfChannel(name, code.slice(anyChannel.length) as ChannelCode))
      : [code]
  const entries = Object.entries(refusals).map(([status, codes]) => [status, codes.flatMap(ofEach)])
  return Object.fromEntries(entries)
}

/** Every code that a problem document may carry where there are these channels. */
export function problemCodes(channels: string[]): AnswerCode[] {
  const ofKinds = (Object.keys(failureKinds) as FailureKind[]).map(codeOfKind)
  const ofChannels = channels.flatMap((name) => channelCodes.map((code) => codeOfChannel(name, code)))
  return [...new Set<AnswerCode>([...ownCodes, ...ofChannels, ...ofKinds])].toSorted()
}

/** Codes with which one operation refuses, by status; `CHANNEL_…` stands for the code of each channel. */
export type Refusals = Partial<Record<400 | 401 | 403 | 404 | 409 | 412 | 422, AnswerCode[]>>
