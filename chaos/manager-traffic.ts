import { setTimeout as pause } from 'node:timers/promises'
import { type Meddler, openMeddler } from './meddler.ts'
import type { Draw } from './seeded-draw.ts'
import { notOurs } from './useless-writes.ts'
import { account, type VictimSystem } from './victim-system.ts'

export type Field = 'available' | 'price' | 'minStay' | 'closedOnArrival'
export type Desired = { listing: number; day: string; field: Field; value: number | boolean }

export type ManagerTraffic = {
  /** What was last desired of each night, field by field, and answered 202. */
  desired: Map<string, Desired>
  counts(): { accepted: number; repeated: number; booked: number; cancelled: number; meddled: number }
  complaints: string[]
  /** Stops beginning anything new; resolves when what was begun is done. */
  stop(): Promise<void>
}

export type EditedListing = { id: number; currency: string }

export const firstDay = 20
export const lastDay = 60
const maxRange = 10
const dayMs = 86_400_000
const tryAgainMs = 300
const acceptedWithinMs = 60_000

/**
 * Managers who edit, guests who book and cancel, and a person who edits at Hostaway by hand, at a steady pace, whatever
 * happens to the connector. An edit that was not answered is posted again, under the same Idempotency-Key, before the
 * next one of its listing.
 */
export async function startManagers(
  system: VictimSystem,
  { listings, perSecond, draw }: { listings: EditedListing[]; perSecond: number; draw: Draw },
): Promise<ManagerTraffic> {
  const desired = new Map<string, Desired>()
  const complaints: string[] = []
  const counts = { accepted: 0, repeated: 0, booked: 0, cancelled: 0, meddled: 0 }
  const lastEdit = new Map<number, Promise<void>>()
  const underWay = new Set<Promise<void>>()
  const booked: number[] = []
  const meddler: Meddler = await openMeddler(system.hostawayUrl, account)
  const startedAt = performance.now()
  let begun = 0

  async function post(key: string, event: unknown): Promise<void> {
    const deadline = Date.now() + acceptedWithinMs
    while (Date.now() < deadline) {
      const answer = await fetch(`${system.apiUrl}/v1/events?tenant=chaos`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${system.adminToken}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify(event),
        signal: AbortSignal.timeout(10_000),
      }).catch(() => undefined)
      if (answer?.status === 202) return
      if (answer !== undefined && answer.status < 500) {
        throw new Error(`an edit was answered ${answer.status}: ${await answer.text()}`)
      }
      counts.repeated += 1
      await pause(tryAgainMs)
    }
    throw new Error('an edit was not taken within a minute')
  }

  async function edit(key: string): Promise<void> {
    const { id, currency } = draw.pick(listings)
    const range = drawRange()
    const values = draw.pick<Array<[Field, number | boolean]>>([
      [['available', draw.chance(0.5)]],
      [['price', draw.whole(80, 120)]],
      [
        ['minStay', draw.whole(1, 4)],
        ['closedOnArrival', draw.chance(0.5)],
      ],
    ])
    const isPrice = values[0]?.[0] === 'price'
    const event = {
      ...(isPrice ? { type: 'pricing.updated', currency } : { type: 'availability.updated' }),
      unitId: `hostaway-${id}`,
      ranges: [{ ...range, ...Object.fromEntries(values) }],
    }
    const before = lastEdit.get(id) ?? Promise.resolve()
    const mine = before.then(async () => {
      await post(key, event)
      counts.accepted += 1
      for (let day = range.from; day <= range.to; day = later(day, 1)) {
        for (const [field, value] of values) {
          desired.set(`${id} ${day} ${field}`, { listing: id, day, field, value })
        }
      }
    })
    lastEdit.set(
      id,
      mine.catch(() => undefined),
    )
    await mine
  }

  async function book(): Promise<void> {
    const { from, to } = drawRange()
    const stay = { listingMapId: draw.pick(listings).id, arrivalDate: from, departureDate: later(to, 1) }
    const { id } = await system.control.book(account.accountId, { ...stay, force: true })
    booked.push(id)
    counts.booked += 1
  }

  async function cancel(): Promise<void> {
    const [id] = booked.splice(draw.whole(0, Math.max(0, booked.length - 1)), 1)
    if (id === undefined) return
    await system.control.cancel(account.accountId, id)
    counts.cancelled += 1
  }

  async function meddle(): Promise<void> {
    const { from, to } = drawRange()
    const values = draw.pick([{ price: 77 }, { isAvailable: draw.whole(0, 1) }, { minimumStay: 9 }])
    await meddler.write(draw.pick(listings).id, { startDate: from, endDate: to, ...values, ...notOurs })
    counts.meddled += 1
  }

  function drawRange(): { from: string; to: string } {
    const start = draw.whole(firstDay, lastDay - maxRange)
    return { from: inDays(start), to: inDays(start + draw.whole(0, maxRange)) }
  }

  async function act(number: number): Promise<void> {
    const share = draw.fraction()
    if (share < 0.8) {
      await edit(`edit-${number}`).catch((error: Error) => complaints.push(error.message))
    } else if (share < 0.88) await book()
    else if (share < 0.96) await cancel()
    else await meddle()
  }

  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond)
    for (; begun < due; begun += 1) {
      // The sandbox may refuse a guest, and a fault that is meant for the connector may meet the meddler.
      const action: Promise<void> = act(begun)
        .catch(() => undefined)
        .finally(() => underWay.delete(action))
      underWay.add(action)
    }
  }, 20)

  return {
    desired,
    complaints,
    counts: () => ({ ...counts }),
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
    },
  }
}

/** The plain day so many days from now. */
export function inDays(days: number): string {
  return new Date(Date.now() + days * dayMs).toISOString().slice(0, 10)
}

function later(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10)
}
