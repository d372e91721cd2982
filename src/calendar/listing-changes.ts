import { type TSchema, Type } from 'typebox'

/** Details of a listing by the channel's names, ready to be sent. */
export type ListingDetails = Record<string, string | number>

type Kind = 'text' | 'amount' | 'count' | 'hour' | 'flag' | 'policy'
type Detail = { sentAs: string; kind: Kind }

// TVL's names. The channel's own name of each is understood as well.
const details: Record<string, Detail> = {
  name: { sentAs: 'name', kind: 'text' },
  description: { sentAs: 'description', kind: 'text' },
  houseRules: { sentAs: 'houseRules', kind: 'text' },
  keyPickup: { sentAs: 'keyPickup', kind: 'text' },
  specialInstruction: { sentAs: 'specialInstruction', kind: 'text' },
  basePrice: { sentAs: 'price', kind: 'amount' },
  cleaningFee: { sentAs: 'cleaningFee', kind: 'amount' },
  extraPersonFee: { sentAs: 'priceForExtraPerson', kind: 'amount' },
  securityDeposit: { sentAs: 'refundableDamageDeposit', kind: 'amount' },
  maxGuests: { sentAs: 'personCapacity', kind: 'count' },
  guestsIncluded: { sentAs: 'guestsIncluded', kind: 'count' },
  bedrooms: { sentAs: 'bedroomsNumber', kind: 'amount' },
  beds: { sentAs: 'bedsNumber', kind: 'amount' },
  bathrooms: { sentAs: 'bathroomsNumber', kind: 'amount' },
  minStay: { sentAs: 'minNights', kind: 'count' },
  maxStay: { sentAs: 'maxNights', kind: 'count' },
  checkInFrom: { sentAs: 'checkInTimeStart', kind: 'hour' },
  checkInUntil: { sentAs: 'checkInTimeEnd', kind: 'hour' },
  checkOutUntil: { sentAs: 'checkOutTime', kind: 'hour' },
  cancellationPolicy: { sentAs: 'cancellationPolicy', kind: 'policy' },
  instantBookable: { sentAs: 'instantBookable', kind: 'flag' },
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
for (const detail of Object.values(details)) byName.set(detail.sentAs, detail)
for (const [name, detail] of Object.entries(details)) byName.set(name, detail)

/**
 * The details of a listing that can be changed, by TVL's names or the channel's. None of them is a list: an empty one would
 * be taken as an order to delete.
 */
export const ListingChanges = Type.Unsafe<Record<string, string | number | boolean>>(
  Type.Object(Object.fromEntries([...byName].map(([name, { kind }]) => [name, Type.Optional(kinds[kind])])), {
    additionalProperties: false,
    minProperties: 1,
    description: 'By TVL’s names or by the channel’s.',
  }),
)

/** Valid `changes` by the channel's names; of two names of one detail the later one wins. */
export function toListingDetails(changes: Record<string, string | number | boolean>): ListingDetails {
  return Object.fromEntries(
    Object.entries(changes).map(([name, value]) => [
      byName.get(name)?.sentAs ?? name,
      typeof value === 'boolean' ? Number(value) : value,
    ]),
  )
}
