import type { Account } from './accounts.ts'
import { addDays, datetimeMilliseconds, datetimeText } from './plain-days.ts'
import { InvalidInput } from './refusals.ts'
import { book } from './reservation-changes.ts'
import { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

const channels = [2018, 2018, 2018, 2005, 2005, 2002, 2000]
// As real accounts have them: most stays took place.
const statuses = [...Array<string>(16).fill('new'), 'modified', 'modified', 'cancelled', 'inquiry']
const hourMs = 3_600_000
const dayMs = 86_400_000

export type HistoryRequest = {
  count: number
  /** Another seed than the sandbox's, for other stays. */
  seed?: string | undefined
  /** How long ago the first stays were, in days; by default 730. */
  days?: number | undefined
}

/**
 * Makes reservations from before the connection, one stay after another on each listing, without webhooks.
 * They were made and last changed at moments spread over the past, an hour ago at the latest.
 */
export function makeHistory(
  world: World,
  account: Account,
  { count, seed = world.settings.seed, days = 730 }: HistoryRequest,
): { count: number; firstId: number; lastId: number } {
  if (!Number.isInteger(count) || count < 1 || count > 1_000_000) {
    throw new InvalidInput('count must be a whole number from 1 to 1000000')
  }
  const listings = [...account.listings.values()]
  if (listings.length === 0) throw new InvalidInput('The account has no listing')
  const random = new SeededRandom(`${seed}/history/${account.accountId}/${account.bookingRounds}`)
  account.bookingRounds += 1
  const latestMs = Date.now() - hourMs
  const nextArrival = new Map(
    listings.map((listing) => [listing, addDays(world.settings.startDay, random.integer(0, 5) - days)]),
  )
  const ids = Array.from({ length: count }, (_, index) => {
    const listing = listings[index % listings.length]
    if (listing === undefined) throw new Error('There is nothing to pick from')
    const arrivalDate = nextArrival.get(listing) ?? world.settings.startDay
    const departureDate = addDays(arrivalDate, random.integer(1, 7))
    nextArrival.set(listing, addDays(departureDate, random.integer(0, 2)))
    const arrivalMs = datetimeMilliseconds(`${arrivalDate} 00:00:00`)
    const madeMs = Math.min(
      latestMs - random.integer(1, 90) * dayMs,
      arrivalMs - random.integer(0, 60) * dayMs,
    )
    const changedMs = madeMs + random.fraction() * Math.min(latestMs - madeMs, 30 * dayMs)
    const [insertedOn, updatedOn] = [datetimeText(madeMs), datetimeText(changedMs)]
    return book(
      world,
      account,
      { listingId: listing.body.id, stay: { arrivalDate, departureDate }, channelId: random.pick(channels) },
      {
        status: random.pick(statuses),
        insertedOn,
        reservationDate: insertedOn,
        updatedOn,
        latestActivityOn: updatedOn,
      },
      { random, silent: true, force: true },
    ).body.id
  })
  return { count, firstId: ids[0] ?? 0, lastId: ids.at(-1) ?? 0 }
}
