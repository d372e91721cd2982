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
  'FORBIDDEN',
  'FOREIGN_ACCOUNT',
  'HOSTAWAY_CREDENTIALS_REJECTED',
  'HOSTAWAY_REFUSED',
  'HOSTAWAY_UNAVAILABLE',
  'IDEMPOTENCY_KEY_REUSED',
  'IMPORT_NOT_RUNNING',
  'IMPORT_RUNNING',
  'INVALID_CURSOR',
  'MAPPING_CHANGED',
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

/** What is wrong, for programs: a code of the API's own, or the kind of a failure that ended the request. */
export type ProblemCode = (typeof ownCodes)[number] | Uppercase<FailureKind>

export function codeOfKind<Kind extends FailureKind>(kind: Kind): Uppercase<Kind> {
  return kind.toUpperCase() as Uppercase<Kind>
}

/** Every code that a problem document may carry. */
export const problemCodes: ProblemCode[] = [
  ...new Set<ProblemCode>([...ownCodes, ...(Object.keys(failureKinds) as FailureKind[]).map(codeOfKind)]),
].sort()

/** The codes that one operation may answer with, by status. */
export type Refusals = Partial<Record<400 | 401 | 403 | 404 | 409 | 412 | 422, ProblemCode[]>>
