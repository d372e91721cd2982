import type { ControlClient } from '../sandbox/control-client.ts'
import type { Draw } from './seeded-draw.ts'

type KnownReservation = { id: number; arrivalDate: string; departureDate: string; updatedOn: string }

export type GuestTraffic = {
  /** How much guests did so far, and how often the sandbox refused. */
  counts(): { booked: number; changed: number; cancelled: number; noticed: number; refused: number }
  /** Deliveries that carried no body, with the version the reservation had when they were made. */
  notices: Map<number, string>
  /** Stops beginning anything new; resolves when what was begun is done. */
  stop(): Promise<void>
}

const dayMs = 86_400_000

/**
 * Guests who book, change and cancel at a steady pace, whatever happens to the connector. Each acts on a reservation
 * that no other guest acts on at that moment.
 */
export function startGuests(
  control: ControlClient,
  options: { accountId: number; listingIds: () => number[]; perSecond: number; draw: Draw },
): GuestTraffic {
  const { accountId, draw } = options
  const idle: KnownReservation[] = []
  const underWay = new Set<Promise<void>>()
  const notices = new Map<number, string>()
  const counts = { booked: 0, changed: 0, cancelled: 0, noticed: 0, refused: 0 }
  const startedAt = performance.now()
  let begun = 0

  const known = ({ id, arrivalDate, departureDate, updatedOn }: KnownReservation) => ({
    id,
    arrivalDate,
    departureDate,
    updatedOn,
  })

  async function book(): Promise<void> {
    const listingMapId = draw.pick(options.listingIds())
    const reservation = await control.book(accountId, {
      listingMapId,
      channelId: draw.pick([2018, 2005, 2000]),
      withCard: draw.chance(0.05),
    })
    idle.push(known(reservation))
    counts.booked += 1
  }

  async function change(reservation: KnownReservation): Promise<void> {
    const days = draw.whole(1, 20)
    const changes = draw.pick([
      { numberOfGuests: draw.whole(1, 9) },
      { guestName: `Guest ${draw.whole(1, 9_999)}` },
      { totalPrice: draw.whole(50, 5_000) },
      {
        arrivalDate: later(reservation.arrivalDate, days),
        departureDate: later(reservation.departureDate, days),
      },
    ])
    idle.push(known(await control.change(accountId, reservation.id, changes)))
    counts.changed += 1
  }

  async function cancel(reservation: KnownReservation): Promise<void> {
    await control.cancel(accountId, reservation.id)
    counts.cancelled += 1
  }

  // Hostaway may also send a notice without a body, so that the connector has to fetch.
  async function notice(reservation: KnownReservation): Promise<void> {
    const event = { object: 'reservation', event: 'reservation.updated', objectId: reservation.id }
    const made = await control.deliverCustom(accountId, { ...event, body: { ...event, accountId } })
    for (const { id } of made) notices.set(id, reservation.updatedOn)
    idle.push(reservation)
    counts.noticed += 1
  }

  async function act(): Promise<void> {
    const share = draw.fraction()
    const reservation = share < 0.5 ? undefined : takeOne()
    if (reservation === undefined) await book()
    else if (share < 0.8) await change(reservation)
    else if (share < 0.92) await cancel(reservation)
    else await notice(reservation)
  }

  function takeOne(): KnownReservation | undefined {
    return idle.length === 0 ? undefined : idle.splice(draw.whole(0, idle.length - 1), 1)[0]
  }

  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * options.perSecond)
    for (; begun < due; begun += 1) {
      const action: Promise<void> = act()
        .catch(() => {
          counts.refused += 1
        })
        .finally(() => underWay.delete(action))
      underWay.add(action)
    }
  }, 20)

  return {
    counts: () => ({ ...counts }),
    notices,
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
    },
  }
}

function later(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10)
}
