import { cardNumber, evilValue, fillIn, nest, randomTree, rawPlace } from './fuzz-values.ts'
import type { Draw } from './seeded-draw.ts'

export type FuzzAccount = { accountId: number; listingIds: number[] }

const bodyLimitBytes = 1_048_576
const reservations = 3_000
const events = [
  'reservation.created',
  'reservation.updated',
  'reservation.cancelled',
  'reservation created',
  'RESERVATION_UPDATED',
  'message.received',
  'listing.updated',
  'task.created',
  'calendar.updated',
  'something.else',
  '__proto__',
]
const statuses = ['new', 'modified', 'cancelled', 'ownerStay', 'pending', 'inquiry', 'expired', 'unheard-of']
const fields = [
  'id',
  'hostawayReservationId',
  'listingMapId',
  'status',
  'arrivalDate',
  'departureDate',
  'isDatesUnspecified',
  'guestName',
  'guestEmail',
  'phone',
  'numberOfGuests',
  'children',
  'totalPrice',
  'currency',
  'channelId',
  'channelName',
  'confirmationCode',
  'reservationUnit',
  'financeField',
  'customFieldValues',
  'insertedOn',
  'updatedOn',
]

/** Bodies of every kind, from webhooks that are only just right to bytes that mean nothing. */
export function fuzzBody(draw: Draw, account: FuzzAccount): Buffer {
  const share = draw.fraction()
  if (share < 0.6) return Buffer.from(fillIn(webhook(draw, account)))
  if (share < 0.66) return Buffer.from(withCard(draw, account))
  if (share < 0.76) return Buffer.from(fillIn(randomTree(draw, 5)))
  if (share < 0.78) return Buffer.from(nest(draw, draw.whole(1, 3_000)))
  if (share < 0.96) return spoil(draw, Buffer.from(fillIn(webhook(draw, account))))
  return draw.bytes(draw.whole(0, 300))
}

/** A webhook of exactly so many bytes. */
export function webhookOfSize(account: FuzzAccount, bytes: number): Buffer {
  const text = (filling: string) =>
    JSON.stringify({ event: 'size.tested', accountId: account.accountId, data: { filling } })
  return Buffer.from(text('x'.repeat(bytes - text('').length)))
}

/** Just within the limit, and just beyond it. */
export const limitSizes = [bodyLimitBytes, bodyLimitBytes + 1] as const

function webhook(draw: Draw, account: FuzzAccount): Record<string, unknown> {
  const data = reservation(draw, account)
  const event = draw.chance(0.9) ? draw.pick(events) : evilValue(draw)
  const accountId = draw.chance(0.95) ? account.accountId : evilValue(draw)
  const shapes: Record<string, unknown>[] = [
    { object: 'reservation', event, accountId, data },
    { event, timestamp: draw.pick([1_795_000_000, '2026-11-20 10:00:00', evilValue(draw)]), accountId, data },
    { eventType: event, accountId: `${account.accountId}`, payload: { data } },
    { event, object: 'reservation', accountId, objectId: draw.chance(0.7) ? data.id : evilValue(draw) },
    { event, data },
  ]
  const chosen = draw.chance(0.6) ? shapes[0] : draw.pick(shapes)
  if (draw.chance(0.05)) Object.assign(chosen ?? {}, { [draw.pick(fields)]: evilValue(draw) })
  return chosen ?? {}
}

function reservation(draw: Draw, account: FuzzAccount): Record<string, unknown> {
  const day = (number: number) => new Date(Date.UTC(2027, 0, number)).toISOString().slice(0, 10)
  const arrival = draw.whole(1, 700)
  const id = draw.whole(1, reservations)
  const body: Record<string, unknown> = {
    id,
    hostawayReservationId: String(id),
    listingMapId: draw.pick(account.listingIds),
    status: draw.pick(statuses),
    arrivalDate: day(arrival),
    departureDate: day(arrival + draw.whole(1, 9)),
    guestName: `Guest ${draw.whole(1, 99)}`,
    numberOfGuests: draw.whole(1, 6),
    totalPrice: draw.whole(1, 90_000) / 100,
    currency: draw.pick(['EUR', 'JPY', 'KWD', 'USD']),
    ccNumber: null,
    updatedOn: `2026-11-${String(draw.whole(10, 28))} 10:00:${String(draw.whole(10, 59))}`,
  }
  for (let changes = draw.pick([0, 0, 0, 1, 1, 2, 3, 6]); changes > 0; changes -= 1) {
    if (draw.chance(0.2)) delete body[draw.pick(fields)]
    else body[draw.pick(fields)] = evilValue(draw)
  }
  return body
}

// The field may be deep down, spelled with escapes, twice, or beside a depth that no recursion survives.
function withCard(draw: Draw, account: FuzzAccount): string {
  const data = reservation(draw, account)
  const spelled = draw.pick(['ccNumber', String.raw`cc\u004eumber`, String.raw`\u0063cNumber`])
  const card = `"${spelled}":"${cardNumber}"`
  const holder = draw.pick([
    `{${card}}`,
    `{${card},"ccNumber":null}`,
    `{"ccNumber":null,${card}}`,
    `[1e400,{"a":[{${card}}]},"\\ud800"]`,
    `{"deep":${nest(draw, draw.pick([10, 5_000, 60_000]))},${card}}`,
    `{"cvc":{"${spelled}":"${cardNumber}"}}`,
  ])
  return fillIn({
    object: 'reservation',
    event: 'reservation.updated',
    accountId: account.accountId,
    data: { ...data, ...(draw.chance(0.5) ? { ccNumber: cardNumber } : {}), more: rawPlace(holder) },
  })
}

function spoil(draw: Draw, body: Buffer): Buffer {
  const at = draw.whole(0, Math.max(0, body.length - 1))
  const put = (piece: Uint8Array) => Buffer.concat([body.subarray(0, at), piece, body.subarray(at)])
  switch (draw.whole(0, 8)) {
    case 0:
      return body.subarray(0, at)
    case 1:
      return put(draw.bytes(draw.whole(1, 8)))
    case 2:
      return put(Buffer.from([0xc3, 0x28]))
    case 3:
      return put(Buffer.from([0xed, 0xa0, 0x80]))
    case 4:
      return put(Buffer.from([0]))
    case 5:
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body])
    case 6:
      return Buffer.from(body.toString(), 'utf16le')
    case 7:
      return Buffer.concat([body, body])
    default: {
      const flipped = Buffer.from(body)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << draw.whole(0, 7))
      return flipped
    }
  }
}
