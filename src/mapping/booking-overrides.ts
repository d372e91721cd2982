import type { BookingDraft, MappingProblem } from './booking-draft.ts'
import { toMoney } from './money.ts'
import {
  type OverridableField,
  overridableFields,
  type PresentFields,
  sourceNames,
} from './override-fields.ts'

type Value = string | number | boolean | null

/** An override and the channel value it replaced: a new channel value for the same field ends the override. */
type Override = { value: Value; over: Value }

export type BookingOverrides = {
  unit?: {
    unitId: string
    /** The listing that the channel named at that time. */
    over: string | null
    /** The listing that the unit has, for a reservation that names none. */
    listingId: string | null
  }
  booking: Partial<Record<OverridableField, Override>>
  /** Mapped fields; they are TVL's own, so no channel value ends their override. */
  fields: Record<string, Value>
}

export const noOverrides: BookingOverrides = { booking: {}, fields: {} }

export type MappedBooking = { draft: BookingDraft; problems: MappingProblem[] }

/**
 * A draft with its overrides applied, the remaining problems, and the overrides still in force. An override stays in
 * force while the channel sends the value it replaced, or none; a known status from the channel always wins. Pure.
 */
export function applyOverrides(
  mapped: MappedBooking,
  overrides: BookingOverrides,
): MappedBooking & { overrides: BookingOverrides } {
  const standing = standingOf(mapped.draft, overrides)
  if (standing === noOverrides) return { ...mapped, overrides: noOverrides }
  const { draft } = mapped
  const said = Object.fromEntries(
    Object.entries(standing.booking).map(([field, { value }]) => [field, value]),
  ) as Partial<BookingDraft>
  const changed: BookingDraft = {
    ...draft,
    ...said,
    listingId: draft.listingId ?? standing.unit?.listingId ?? null,
    unitId: standing.unit?.unitId ?? draft.unitId,
    sourceStatus: draft.sourceStatus ?? (said.status === undefined ? null : 'unknown'),
    fields: { ...draft.fields, ...standing.fields },
  }
  const open = mapped.problems.filter((problem) => !isAnswered(problem, standing, changed))
  const dated = checkDates(changed, open, standing)
  const priced = checkAmount(dated.draft, dated.problems, standing)
  return { ...priced, overrides: standing }
}

/** New overrides; null removes an earlier one. */
export type ManualOverride = PresentFields & { unit?: { unitId: string; listingId: string | null } | null }

/** The overrides after a new request, compared with the draft without overrides. Pure. */
export function mergeOverrides(
  before: BookingOverrides,
  draft: BookingDraft,
  said: ManualOverride,
): BookingOverrides {
  const booking = { ...before.booking }
  for (const [field, value] of Object.entries(said.booking) as Array<[OverridableField, Value]>) {
    if (value === null) delete booking[field]
    else booking[field] = { value, over: draft[field] }
  }
  const fields = { ...before.fields }
  for (const [name, value] of Object.entries(said.fields)) {
    if (value === null) delete fields[name]
    else fields[name] = value
  }
  const unit = said.unit === undefined ? before.unit : said.unit
  return { booking, fields, ...(unit ? { unit: { over: draft.listingId, ...unit } } : {}) }
}

/** Whether every new override is already in force. Pure. */
export function isOverridden({ unit, booking, fields }: BookingOverrides, said: ManualOverride): boolean {
  const before: Record<string, Value | undefined> = { ...showOverrides({ booking, fields }).fields }
  const now = Object.entries({ ...said.booking, ...said.fields })
  const isSameUnit = said.unit === undefined || said.unit?.unitId === unit?.unitId
  return isSameUnit && now.every(([name, value]) => (before[name] ?? null) === value)
}

/** The overrides in the shape of a request. Pure. */
export function showOverrides({ unit, booking, fields }: BookingOverrides) {
  const said = Object.entries(booking).map(([field, { value }]) => [field, value] as const)
  return {
    ...(unit === undefined ? {} : { unitId: unit.unitId }),
    fields: { ...Object.fromEntries(said), ...fields } as Record<string, Value>,
  }
}

function standingOf(draft: BookingDraft, overrides: BookingOverrides): BookingOverrides {
  const { unit, booking, fields } = overrides
  const stands = (now: Value, over: Value) => now === null || now === over
  const kept = overridableFields.flatMap((field) => {
    const override = booking[field]
    if (override === undefined) return []
    const isStanding = field === 'status' ? draft.status === null : stands(draft[field], override.over)
    return isStanding ? [[field, override] as const] : []
  })
  const keepsUnit = unit !== undefined && stands(draft.listingId, unit.over)
  if (kept.length === 0 && !keepsUnit && Object.keys(fields).length === 0) return noOverrides
  return { booking: Object.fromEntries(kept), fields, ...(keepsUnit ? { unit } : {}) }
}

function isAnswered(
  { field, code }: MappingProblem,
  { unit, booking, fields }: BookingOverrides,
  draft: BookingDraft,
): boolean {
  if (unit !== undefined && (code === 'unknown_listing' || code === 'unmapped_listing')) return true
  if (unit !== undefined && field === 'listingMapId' && draft.listingId !== null) return true
  const name = field.replace(/^fields\./, '')
  if (Object.hasOwn(fields, name)) return true
  return overridableFields.some((said) => said in booking && namesOf(said).includes(field))
}

function checkDates(
  draft: BookingDraft,
  problems: MappingProblem[],
  { booking }: BookingOverrides,
): MappedBooking {
  if (booking.checkIn === undefined && booking.checkOut === undefined) return { draft, problems }
  const { checkIn, checkOut } = draft
  const open = problems.filter(({ code }) => code !== 'not_after_arrival')
  for (const [name, field] of [
    ['arrivalDate', 'checkIn'],
    ['departureDate', 'checkOut'],
  ] as const) {
    const isNamed = open.some((problem) => namesOf(field).includes(problem.field))
    if (draft[field] === null && !isNamed) {
      open.push({ field: name, code: 'missing', message: `${name} is missing` })
    }
  }
  if (checkIn !== null && checkOut !== null && checkOut <= checkIn) {
    open.push({
      field: 'departureDate',
      code: 'not_after_arrival',
      message: `departureDate ${checkOut} is not after arrivalDate ${checkIn}`,
    })
  }
  return { draft: { ...draft, datesUnspecified: false }, problems: open }
}

function checkAmount(
  draft: BookingDraft,
  problems: MappingProblem[],
  { booking }: BookingOverrides,
): MappedBooking {
  if (booking.amountTotal === undefined && booking.currency === undefined) return { draft, problems }
  const { amountTotal: total, currency } = draft
  const isOfAmount = (field: string) => [...namesOf('amountTotal'), ...namesOf('currency')].includes(field)
  const open = problems.filter(({ field, code }) => code !== 'not_an_amount' || !isOfAmount(field))
  if (total === null || currency === null) return { draft: { ...draft, amountMinor: null }, problems: open }
  const money = toMoney(total, currency)
  if (money !== undefined) {
    return { draft: { ...draft, amountTotal: money.total, amountMinor: money.minor }, problems: open }
  }
  open.push({
    field: 'totalPrice',
    code: 'not_an_amount',
    message: `totalPrice ${total} is not an amount in ${currency}`,
  })
  return { draft: { ...draft, amountMinor: null }, problems: open }
}

function namesOf(field: OverridableField): readonly string[] {
  return [field, ...sourceNames[field]]
}
