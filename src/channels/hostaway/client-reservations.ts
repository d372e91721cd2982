import type { Reservation } from '../contract/reservation.ts'
import { type Call, type Caller, pathId } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import { isLastPage } from './wire/envelope.ts'
import { parseReservation } from './wire/reservation.ts'

/**
 * `afterId` continues behind a reservation; without `sortOrder` the newest change comes first. The two days take only
 * stays that end on or after the one and begin on or before the other.
 */
export type ReservationPageRequest = {
  limit: number
  afterId?: string
  sortOrder?: 'updatedOn'
  departureStartDate?: string
  arrivalEndDate?: string
}

export type ReservationPage = {
  reservations: Reservation[]
  /** Rows without a usable id: they are not in `reservations`. */
  unreadable: number
  /** The page size Hostaway used, if it said so. */
  limit: number | undefined
  /** How many there are over all pages, if it said so. */
  count: number | undefined
  last: boolean
}

/** Calls about reservations. */
export function reservationCalls({ callApi }: Caller) {
  return {
    /** One reservation with everything that belongs to it; throws `not_found`. */
    getReservation: async (call: Call, id: string): Promise<Reservation> => {
      const { result } = await callApi(call, {
        method: 'GET',
        path: `/reservations/${pathId(id)}`,
        endpoint: '/reservations/:id',
        query: { includeResources: 1 },
      })
      const { reservation } = parseReservation(result, { isComplete: true })
      if (reservation?.id !== id) throw malformedAnswer('it is not the reservation that was asked for', 200)
      return reservation
    },

    /** One page of reservations with everything that belongs to them; rows may move between pages while paging. */
    listReservationsPage: async (call: Call, page: ReservationPageRequest): Promise<ReservationPage> => {
      const { result, limit, count } = await callApi(call, {
        method: 'GET',
        path: '/reservations',
        endpoint: '/reservations',
        query: { ...page, includeResources: 1 },
      })
      if (!Array.isArray(result)) throw malformedAnswer('it is not a list', 200)
      const reservations = result.flatMap((row) => {
        const { reservation } = parseReservation(row, { isComplete: true })
        return reservation === null ? [] : [reservation]
      })
      const unreadable = result.length - reservations.length
      // Going on needs an id to go on behind.
      if (result.length > 0 && reservations.length === 0)
        throw malformedAnswer('no reservation in it has an id', 200)
      return { reservations, unreadable, limit, count, last: isLastPage(result.length, limit) }
    },
  }
}
