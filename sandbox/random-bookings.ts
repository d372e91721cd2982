import type { Account, StoredListing } from './accounts.ts'
import { isFree } from './calendar-days.ts'
import { addDays } from './plain-days.ts'
import { InvalidInput } from './refusals.ts'
import { book } from './reservation-changes.ts'
import type { Stay, StoredReservation } from './reservation-factory.ts'
import { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

const channels = [2018, 2018, 2018, 2005, 2005, 2002, 2000]
const triesInTheYear = 12

export type RandomBookingsRequest = {
  count: number
  /** Another seed than the sandbox's, for other bookings. */
  seed?: string | undefined
  /** Statuses to draw from; all are `new` without it. */
  statuses?: string[] | undefined
  /** Make them without webhooks, as if they were history. */
  silent?: boolean | undefined
}

/** Makes bookings on free nights. The same seed, start day and number of earlier rounds give the same bookings. */
export function makeRandomBookings(
  world: World,
  account: Account,
  request: RandomBookingsRequest,
): StoredReservation[] {
  const { count, seed = world.settings.seed, statuses = ['new'], silent } = request
  if (!Number.isInteger(count) || count < 1 || count > 100_000) {
    throw new InvalidInput('count must be a whole number from 1 to 100000')
  }
  const listings = [...account.listings.values()]
  if (listings.length === 0) throw new InvalidInput('The account has no listing')
  const random = new SeededRandom(`${seed}/${account.accountId}/${account.bookingRounds}`)
  account.bookingRounds += 1
  return Array.from({ length: count }, () => {
    const listing = random.pick(listings)
    return book(
      world,
      account,
      {
        listingId: listing.body.id,
        stay: findStay(world, listing, random),
        channelId: random.pick(channels),
      },
      { status: random.pick(statuses) },
      { random, silent, force: true },
    )
  })
}

/** Free nights within the year after the start day, or right after the latest night the listing ever had booked. */
export function findStay(world: World, listing: StoredListing, random: SeededRandom): Stay {
  const { startDay } = world.settings
  const nights = random.integer(1, 7)
  for (let attempt = 0; attempt < triesInTheYear; attempt += 1) {
    const arrivalDate = addDays(startDay, random.integer(1, 360))
    const stay = { arrivalDate, departureDate: addDays(arrivalDate, nights) }
    if (isFree(listing, stay)) return stay
  }
  const afterTheYear = addDays(startDay, 361)
  const { latestNight } = listing
  const arrivalDate = latestNight < afterTheYear ? afterTheYear : addDays(latestNight, 1)
  return { arrivalDate, departureDate: addDays(arrivalDate, nights) }
}
