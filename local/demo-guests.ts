import type { ControlClient } from '../sandbox/control-client.ts'
import type { Listing } from '../sandbox/listing-factory.ts'
import { addDays, todayInUtc } from '../sandbox/plain-days.ts'
import type { Reservation } from '../sandbox/reservation-factory.ts'
import type { SeededRandom } from '../sandbox/seeded-random.ts'
import { describeStay, listOf, nameOfChannel } from './demo-words.ts'

export type Act =
  | 'book'
  | 'bookInYen'
  | 'bookInDinars'
  | 'bookThreeUnits'
  | 'request'
  | 'accept'
  | 'ask'
  | 'move'
  | 'bringOneMore'
  | 'cancel'
  | 'comeBack'
  | 'repeat'
  | 'reorder'
  | 'sayUnknownStatus'

/** Something that happened at Hostaway, and the reservations whose newest version must now reach the connector. */
export type Played = {
  channel: string
  sentence: string
  /** How many changes Hostaway made to reservations; a webhook sent again is none. */
  changes: number
  reservations: Reservation[]
  /** Whether Hostaway sent its webhook at once and no other; only then is a duration meaningful. */
  isTimed: boolean
}

export type Guests = {
  /** Performs an act; where it is not possible (no guest can cancel), a guest books instead. */
  play(act: Act): Promise<Played>
  /** The announced status of a reservation, where it differs from the one it has. */
  announcedAs: ReadonlyMap<number, string>
}

const usualChannels = [2018, 2018, 2018, 2005, 2005, 2002, 2000]
const freeStatuses = new Set(['cancelled', 'declined', 'expired', 'inquiry'])
const unknownStatus = 'onHold'

/** Guests who use the sandbox's control API; the same seed makes the same guests do the same things. */
export function createGuests(options: {
  control: ControlClient
  accountId: number
  listings: Array<{ listing: Listing; units: number }>
  random: SeededRandom
}): Guests {
  const { control, accountId, listings, random } = options
  const roster = new Map<number, Reservation>()
  const announcedAs = new Map<number, string>()

  const remember = (reservation: Reservation) => {
    roster.set(reservation.id, reservation)
    return reservation
  }
  const oneOf = (accepts: (reservation: Reservation) => boolean) => {
    const found = [...roster.values()].filter(accepts)
    return found.length === 0 ? undefined : random.pick(found)
  }
  const isStaying = ({ status }: Reservation) => status === 'new' || status === 'modified'
  const change = async (reservation: Reservation, fields: Record<string, string | number>) =>
    remember(await control.change(accountId, reservation.id, fields))
  const book = async (fields: Record<string, string | number> = {}) =>
    remember(
      await control.book(accountId, {
        listingMapId: random.pick(listings).listing.id,
        channelId: random.pick(usualChannels),
        ...fields,
      }),
    )
  const listingIn = (currency: string) => {
    const found = listings.find(({ listing }) => listing.currencyCode === currency)
    return found === undefined ? {} : { listingMapId: found.listing.id }
  }

  function unitsLeft(
    listingId: number,
    stay: { arrivalDate: string; departureDate: string },
    except?: number,
  ) {
    const units = listings.find(({ listing }) => listing.id === listingId)?.units ?? 1
    const guests = [...roster.values()].filter(
      (other) =>
        other.id !== except &&
        other.listingMapId === listingId &&
        !freeStatuses.has(other.status) &&
        other.arrivalDate < stay.departureDate &&
        other.departureDate > stay.arrivalDate,
    )
    return units - guests.length
  }

  function otherStay(reservation: Reservation) {
    const { id, listingMapId, nights } = reservation
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const arrivalDate = addDays(reservation.arrivalDate, random.integer(1, 9))
      const stay = { arrivalDate, departureDate: addDays(arrivalDate, random.integer(1, nights + 2)) }
      if (unitsLeft(listingMapId, stay, id) > 0) return stay
    }
    return undefined
  }

  const acts: Record<Act, () => Promise<Played | undefined>> = {
    book: async () => booked(await book()),
    bookInYen: async () => booked(await book(listingIn('JPY'))),
    bookInDinars: async () => booked(await book(listingIn('KWD'))),

    async bookThreeUnits() {
      const house = listings.find(({ units }) => units >= 3)
      if (house === undefined) return undefined
      let arrivalDate = addDays(todayInUtc(), random.integer(10, 300))
      const stayFrom = (day: string) => ({ arrivalDate: day, departureDate: addDays(day, 3) })
      while (unitsLeft(house.listing.id, stayFrom(arrivalDate)) < house.units)
        arrivalDate = addDays(arrivalDate, 1)
      const reservations: Reservation[] = []
      for (let unit = 0; unit < 3; unit += 1) {
        reservations.push(await book({ listingMapId: house.listing.id, ...stayFrom(arrivalDate) }))
      }
      const names = listOf(reservations.map(({ guestName }) => String(guestName)))
      return { ...about(reservations, `${names} book ${stayAt(reservations[0])}`), isTimed: false }
    },

    async request() {
      const asked = await book({ channelId: 2018, status: 'pending' })
      return about([asked], `${asked.guestName} asks to book ${stayAt(asked)}`)
    },
    async accept() {
      const asked = oneOf(({ status }) => status === 'pending')
      if (asked === undefined) return undefined
      const accepted = await change(asked, { status: 'new' })
      return about([accepted], `${accepted.guestName} is accepted for ${stayAt(accepted)}`)
    },
    async ask() {
      const asked = await book({ channelId: 2018, status: 'inquiry' })
      return about([asked], `${asked.guestName} has a question about ${stayAt(asked)}`)
    },

    async move() {
      const before = oneOf(isStaying)
      const stay = before && otherStay(before)
      if (before === undefined || stay === undefined) return undefined
      const moved = await change(before, stay)
      return about([moved], `${moved.guestName} moves from ${describeStay(before)} to ${describeStay(moved)}`)
    },
    async bringOneMore() {
      const before = oneOf(isStaying)
      if (before === undefined) return undefined
      const after = await change(before, oneMore(before))
      return about([after], `${after.guestName} brings one more, now ${after.numberOfGuests} guests`)
    },
    async cancel() {
      const before = oneOf(isStaying)
      if (before === undefined) return undefined
      const cancelled = remember(await control.cancel(accountId, before.id))
      return about([cancelled], `${cancelled.guestName} cancels ${stayAt(cancelled)}`)
    },
    async comeBack() {
      const before = oneOf((gone) => gone.status === 'cancelled' && unitsLeft(gone.listingMapId, gone) > 0)
      if (before === undefined) return undefined
      const back = remember(await control.resurrect(accountId, before.id))
      return about([back], `${back.guestName} wants ${stayAt(back)} after all`)
    },

    async repeat() {
      const reservation = oneOf(() => true)
      if (reservation === undefined) return undefined
      const deliveries = await control.deliveries({ accountId, objectId: reservation.id })
      const [first] = deliveries
      if (first === undefined) return undefined
      await control.deliverAgain(first.id, 3)
      const age = deliveries.length > 1 ? 'an old webhook' : 'the webhook'
      const sentence = `Hostaway sends ${age} of ${reservation.guestName} three times more`
      return { ...about([reservation], sentence), changes: 0, isTimed: false }
    },
    async reorder() {
      await control.holdDeliveries(accountId)
      const first = await book()
      const second = await change(first, oneMore(first))
      const stay = otherStay(second)
      const last = stay === undefined ? second : await change(second, stay)
      await control.releaseDeliveries(accountId, 'reversed')
      const changes = stay === undefined ? 2 : 3
      const sentence = `${last.guestName} books ${stayAt(last)}; ${changes} webhooks, the last first`
      return { ...about([last], sentence), changes, isTimed: false }
    },
    async sayUnknownStatus() {
      const quiet = await control.book(accountId, {
        listingMapId: random.pick(listings).listing.id,
        silent: true,
      })
      remember({ ...quiet, status: unknownStatus })
      announcedAs.set(quiet.id, unknownStatus)
      await control.deliverCustom(accountId, {
        event: 'reservation.created',
        object: 'reservation',
        objectId: quiet.id,
        listingMapId: quiet.listingMapId,
        body: {
          object: 'reservation',
          event: 'reservation.created',
          accountId,
          data: { ...quiet, status: unknownStatus },
        },
      })
      return about([quiet], `${quiet.guestName} books ${stayAt(quiet)}, status "${unknownStatus}"`)
    },
  }

  function stayAt(reservation: Reservation | undefined): string {
    if (reservation === undefined) return ''
    const place = listings.find(({ listing }) => listing.id === reservation.listingMapId)
    return `${place?.listing.name ?? `listing ${reservation.listingMapId}`}, ${describeStay(reservation)}`
  }

  function booked(reservation: Reservation): Played {
    return about([reservation], `${reservation.guestName} books ${stayAt(reservation)}`)
  }

  return {
    announcedAs,
    play: async (act) => (await acts[act]()) ?? booked(await book()),
  }
}

function about(reservations: Reservation[], sentence: string): Played {
  const channel = nameOfChannel(reservations[0]?.channelId)
  return { channel, sentence, changes: reservations.length, reservations, isTimed: true }
}

function oneMore(reservation: Reservation): Record<string, number> {
  return {
    adults: Number(reservation.adults ?? 0) + 1,
    numberOfGuests: Number(reservation.numberOfGuests ?? 0) + 1,
  }
}
