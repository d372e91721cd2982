/** Details of a listing by Hostaway's names, ready to be sent. */
export type ListingDetails = Record<string, string | number>

type Kind = 'text' | 'amount' | 'count' | 'hour' | 'flag' | 'policy'
type Detail = { hostaway: string; kind: Kind }

// TVL's names. Hostaway's own name of each is understood as well.
const details: Record<string, Detail> = {
  name: { hostaway: 'name', kind: 'text' },
  description: { hostaway: 'description', kind: 'text' },
  houseRules: { hostaway: 'houseRules', kind: 'text' },
  keyPickup: { hostaway: 'keyPickup', kind: 'text' },
  specialInstruction: { hostaway: 'specialInstruction', kind: 'text' },
  basePrice: { hostaway: 'price', kind: 'amount' },
  cleaningFee: { hostaway: 'cleaningFee', kind: 'amount' },
  extraPersonFee: { hostaway: 'priceForExtraPerson', kind: 'amount' },
  securityDeposit: { hostaway: 'refundableDamageDeposit', kind: 'amount' },
  maxGuests: { hostaway: 'personCapacity', kind: 'count' },
  guestsIncluded: { hostaway: 'guestsIncluded', kind: 'count' },
  bedrooms: { hostaway: 'bedroomsNumber', kind: 'amount' },
  beds: { hostaway: 'bedsNumber', kind: 'amount' },
  bathrooms: { hostaway: 'bathroomsNumber', kind: 'amount' },
  minStay: { hostaway: 'minNights', kind: 'count' },
  maxStay: { hostaway: 'maxNights', kind: 'count' },
  checkInFrom: { hostaway: 'checkInTimeStart', kind: 'hour' },
  checkInUntil: { hostaway: 'checkInTimeEnd', kind: 'hour' },
  checkOutUntil: { hostaway: 'checkOutTime', kind: 'hour' },
  cancellationPolicy: { hostaway: 'cancellationPolicy', kind: 'policy' },
  instantBookable: { hostaway: 'instantBookable', kind: 'flag' },
}

const policies = ['flexible', 'moderate', 'firm', 'strict', 'no_refund']
const maxText = 50_000

const byName = new Map<string, Detail>()
for (const detail of Object.values(details)) byName.set(detail.hostaway, detail)
for (const [name, detail] of Object.entries(details)) byName.set(name, detail)

/** The names that can be changed, for documentation and messages. */
export const changeableDetails = Object.keys(details)

/**
 * Reads `changes` into what Hostaway understands; an unknown name is a problem. None of the details is a list: an
 * empty one would be taken as an order to delete.
 */
export function readListingChanges(
  changes: Record<string, unknown>,
  report: (field: string, message: string) => void,
): ListingDetails {
  const read: ListingDetails = {}
  for (const [name, value] of Object.entries(changes)) {
    const detail = byName.get(name)
    if (detail === undefined) {
      report(name, `is not a detail that can be changed; these are: ${changeableDetails.join(', ')}`)
      continue
    }
    const result = readers[detail.kind](value)
    if (typeof result === 'object') report(name, result.problem)
    else read[detail.hostaway] = result
  }
  if (Object.keys(changes).length === 0) report('', 'names nothing to change')
  return read
}

type Reader = (value: unknown) => string | number | { problem: string }

const readers: Record<Kind, Reader> = {
  text: (value) =>
    typeof value === 'string' && value !== '' && value.length <= maxText
      ? value
      : { problem: `must be a text of 1 to ${maxText} characters` },
  amount: (value) =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0
      ? value
      : { problem: 'must be a number not below 0' },
  count: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value > 0
      ? value
      : { problem: 'must be a whole number above 0' },
  hour: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 23
      ? value
      : { problem: 'must be an hour from 0 to 23' },
  flag: (value) => {
    if (value === true || value === 1) return 1
    if (value === false || value === 0) return 0
    return { problem: 'must be true or false' }
  },
  policy: (value) =>
    typeof value === 'string' && policies.includes(value)
      ? value
      : { problem: `must be one of ${policies.join(', ')}` },
}
