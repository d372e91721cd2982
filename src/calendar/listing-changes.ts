import { type TSchema, Type } from 'typebox'

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

const policies = ['flexible', 'moderate', 'firm', 'strict', 'no_refund'] as const

const kinds: Record<Kind, TSchema> = {
  text: Type.String({ minLength: 1, maxLength: 50_000 }),
  amount: Type.Number({ minimum: 0 }),
  count: Type.Integer({ minimum: 1 }),
  hour: Type.Integer({ minimum: 0, maximum: 23 }),
  flag: Type.Unsafe<boolean | 0 | 1>({ enum: [true, false, 1, 0] }),
  policy: Type.Enum([...policies]),
}

const byName = new Map<string, Detail>()
for (const detail of Object.values(details)) byName.set(detail.hostaway, detail)
for (const [name, detail] of Object.entries(details)) byName.set(name, detail)

/**
 * The details of a listing that can be changed, by TVL's names or Hostaway's. None of them is a list: an empty one would
 * be taken as an order to delete.
 */
export const ListingChanges = Type.Unsafe<Record<string, string | number | boolean>>(
  Type.Object(Object.fromEntries([...byName].map(([name, { kind }]) => [name, Type.Optional(kinds[kind])])), {
    additionalProperties: false,
    minProperties: 1,
    description: 'By TVL’s names or by Hostaway’s.',
  }),
)

/** Valid `changes` by Hostaway's names; of two names of one detail the later one wins. */
export function toListingDetails(changes: Record<string, string | number | boolean>): ListingDetails {
  return Object.fromEntries(
    Object.entries(changes).map(([name, value]) => [
      byName.get(name)?.hostaway ?? name,
      typeof value === 'boolean' ? Number(value) : value,
    ]),
  )
}
