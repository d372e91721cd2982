import type { ControlClient } from '../sandbox/control-client.ts'
import { addDays } from '../src/platform/days.ts'

type Call = Awaited<ReturnType<ControlClient['calls']>>[number]

type Interval = { startDate: string; endDate: string; isProcessed?: number } & Record<string, unknown>
type Stay = { listingMapId?: unknown; arrivalDate?: unknown; departureDate?: unknown }

/** When each fault happens, before or after the call has its effect, by its id. */
export type FaultEffects = Map<number, 'before' | 'after'>

/** Marks a write at Hostaway as one of another client, in the journal. */
export const notOurs = { isProcessed: 1 }

/**
 * The first call of ours that did not change the calendar, judged by the journal alone. The status says whether a call
 * had its effect; for an injected failure, the fault says so. Availability on a night that was ever booked
 * counts as changed: bookings open and close it behind the journal's back.
 */
export function findUselessWrite(calls: Call[], stays: Stay[], faults: FaultEffects): Call | undefined {
  const held = new Map<string, unknown>()
  for (const call of calls) {
    const isCalendar = /^\/listings\/\d+\/calendar(Intervals)?$/.test(call.path)
    if (!isCalendar || call.body === null || !hadEffect(call, faults)) continue
    const listing = call.path.split('/')[2] ?? ''
    const intervals = (Array.isArray(call.body) ? call.body : [call.body]) as Interval[]
    let changed = false
    for (const { startDate, endDate, isProcessed: _isProcessed, ...values } of intervals) {
      for (let day = startDate; day <= endDate; day = addDays(day, 1)) {
        for (const [field, value] of Object.entries(values)) {
          const key = `${listing} ${day} ${field}`
          const isOpenedByBookings = isAvailability(field) && wasBooked(stays, listing, day)
          if (held.get(key) !== value || isOpenedByBookings) changed = true
          held.set(key, value)
        }
      }
    }
    const isOurs = !intervals.some(({ isProcessed }) => isProcessed === 1)
    if (isOurs && !changed) return call
  }
  return undefined
}

function hadEffect(call: Call, faults: FaultEffects): boolean {
  if (call.outcome === 'down' || call.limitedBy !== null) return false
  if (call.faultIds.length > 0) return call.faultIds.every((id) => faults.get(id) === 'after')
  // One whose caller went away had been read before that.
  return call.status === 200 || call.outcome === 'abandoned'
}

function isAvailability(field: string): boolean {
  return field === 'isAvailable' || field === 'desiredUnitsToSell'
}

function wasBooked(stays: Stay[], listing: string, day: string): boolean {
  return stays.some(
    ({ listingMapId, arrivalDate, departureDate }) =>
      String(listingMapId) === listing && String(arrivalDate) <= day && day < String(departureDate),
  )
}
