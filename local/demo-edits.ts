import type { AccountState } from '../sandbox/account-state.ts'
import { addDays, todayInUtc } from '../sandbox/plain-days.ts'
import type { SeededRandom } from '../sandbox/seeded-random.ts'
import type { ConnectorClient, TvlEvent } from './connector-client.ts'
import type { Played } from './demo-guests.ts'
import { describeStay } from './demo-words.ts'

type Listing = Pick<AccountState['listings'][number], 'listing' | 'units'>
type Field = 'price' | 'available' | 'minStay'

/** What was last desired of a night, field by field. */
export type EditedNight = { listingId: number; day: string; field: Field; value: number | boolean }

export type Manager = {
  /** Edits one listing a few times in a row, as a manager does who tries what looks best. */
  edit(): Promise<Pick<Played, 'channel' | 'sentence'>>
  edits(): number
  /** Every night that was edited, with its last desired value. */
  desired(): EditedNight[]
}

const maxEditsInARow = 4
const maxRange = 12
// Guests book within the next year: they must not find nights closed that they have chosen.
const pricedFrom = 10
const closedFrom = 400
const spread = 200

/** A manager who edits prices, availability and shortest stays in TVL; the same seed edits the same. */
export function createManager(options: {
  connector: Pick<ConnectorClient, 'postEvents'>
  tenant: string
  listings: Listing[]
  random: SeededRandom
}): Manager {
  const { connector, tenant, listings, random } = options
  const ofOneUnit = listings.filter(({ units }) => units.length === 0)
  const desired = new Map<string, EditedNight>()
  let edits = 0

  async function editOnce(listing: Listing['listing'], field: Field): Promise<string> {
    const start = (field === 'price' ? pricedFrom : closedFrom) + random.integer(0, spread)
    const from = addDays(todayInUtc(), start)
    const to = addDays(from, random.integer(0, maxRange))
    const value = {
      price: random.integer(80, 300),
      minStay: random.integer(1, 5),
      available: random.integer(0, 1) === 1,
    }[field]
    await connector.postEvents(tenant, [eventFor(listing, field, { from, to, [field]: value })])
    edits += 1
    for (let day = from; day <= to; day = addDays(day, 1)) {
      desired.set(`${listing.id} ${day} ${field}`, { listingId: listing.id, day, field, value })
    }
    const nights = describeStay({ arrivalDate: from, departureDate: addDays(to, 1) })
    return { price: 'prices', minStay: 'shortest stays', available: 'availability' }[field].concat(
      ` ${nights}`,
    )
  }

  return {
    async edit() {
      const { listing } = random.pick(ofOneUnit)
      const field = random.pick<Field>(['price', 'available', 'minStay'])
      const count = random.integer(1, maxEditsInARow)
      let last = ''
      for (let number = 0; number < count; number += 1) last = await editOnce(listing, field)
      const times = count === 1 ? '' : `, ${count} edits`
      return { channel: 'TVL', sentence: `${listing.name} gets other ${last}${times}` }
    },
    edits: () => edits,
    desired: () => [...desired.values()],
  }
}

/** Compares every edited night with what Hostaway holds. One sentence for each difference; none = converged. */
export function findEditDifferences(desired: EditedNight[], listings: AccountState['listings']): string[] {
  const nights = new Map(
    listings.flatMap(({ listing, calendar }) =>
      calendar.map((night) => [`${listing.id} ${night.date}`, night] as const),
    ),
  )
  return desired.flatMap(({ listingId, day, field, value }) => {
    const night = nights.get(`${listingId} ${day}`)
    // A night that a booking holds is Hostaway's own.
    const isHeld = night !== undefined && night.status !== 'available' && night.status !== 'blocked'
    if (field === 'available' && isHeld) return []
    const held = { price: night?.price, available: night?.isAvailable, minStay: night?.minimumStay }[field]
    if (Number(held) === Number(value)) return []
    return [`listing ${listingId} on ${day}: ${field} ${value} is desired, Hostaway has ${held ?? 'nothing'}`]
  })
}

/** The first and the last edited day; undefined where there is none. */
export function rangeOf(desired: EditedNight[]): { from: string; to: string } | undefined {
  const days = desired.map(({ day }) => day).toSorted()
  const [from, to] = [days[0], days.at(-1)]
  return from === undefined || to === undefined ? undefined : { from, to }
}

function eventFor({ id, currencyCode }: Listing['listing'], field: Field, range: object): TvlEvent {
  const about = { unitId: `hostaway-${id}`, ranges: [range] }
  if (field === 'price') return { type: 'pricing.updated', currency: String(currencyCode), ...about }
  return { type: 'availability.updated', ...about }
}
