import assert from 'node:assert/strict'
import type { Reservation } from '../../src/channels/contract/reservation.ts'
import { parseReservation } from '../../src/channels/hostaway/wire/wire-reservation.ts'
import { compileMapping, mapReservation } from '../../src/mapping/apply-mapping.ts'
import type { MappedListing } from '../../src/mapping/booking-draft.ts'
import { checkSpec } from '../../src/mapping/check-spec.ts'
import type { MappingSpec } from '../../src/mapping/mapping-spec.ts'
import { reservationBody } from '../support/reservation-bodies.ts'

export const boathouse: MappedListing = {
  listingId: '8001',
  unitId: 'unit-7',
  name: 'Boathouse',
  currency: 'EUR',
  commissionRate: null,
}

export function parsed(changes: Record<string, unknown> = {}): Reservation {
  const { reservation } = parseReservation(reservationBody(changes))
  assert.ok(reservation)
  return reservation
}

export function accepted(spec: unknown): MappingSpec {
  const checked = checkSpec(spec)
  assert.deepEqual(checked.ok ? [] : checked.problems, [])
  assert.ok(checked.ok)
  return checked.spec
}

/** The paths of everything that is wrong with a spec. */
export function refused(spec: unknown): string[] {
  const checked = checkSpec(spec)
  return checked.ok ? [] : checked.problems.map(({ field }) => field)
}

/** What a spec makes of a reservation of which only `changes` are out of the ordinary. */
export async function mapped(spec: unknown, changes: Record<string, unknown> = {}, listing = boathouse) {
  const result = await mapReservation(compileMapping(accepted(spec), 1), parsed(changes), listing)
  return { ...result, fields: result.draft.fields, warnings: result.draft.warnings }
}

/** The one field that a rule makes. */
export async function fieldOf(
  rule: Record<string, unknown>,
  changes: Record<string, unknown> = {},
  listing = boathouse,
) {
  const { fields, problems, warnings } = await mapped({ fields: { it: rule } }, changes, listing)
  const [first] = [...problems, ...warnings]
  return first === undefined ? fields.it : { [first.code]: fields.it, required: problems.length > 0 }
}
