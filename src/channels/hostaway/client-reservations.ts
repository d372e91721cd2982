import type { CallContext, ReservationPage, ReservationPageRequest } from '../contract/channel.ts'
import type { Reservation } from '../contract/reservation.ts'
import { type HostawayCaller, pathId } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import { isLastPage } from './wire/envelope.ts'
import { parseReservation } from './wire/wire-reservation.ts'

/** Calls about reservations. */
export function reservationCalls({ callApi }: HostawayCaller) {
  return {
    /** One reservation with everything that belongs to it; throws `not_found`. */
    getReservation: async (call: CallContext, id: string): Promise<Reservation> => {
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
    listReservationsPage: async (
      call: CallContext,
      page: ReservationPageRequest & { sortOrder?: 'updatedOn' },
    ): Promise<ReservationPage> => {
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
      // The next page needs an id as its cursor.
      if (result.length > 0 && reservations.length === 0)
        throw malformedAnswer('no reservation in it has an id', 200)
      return { reservations, unreadable, limit, count, last: isLastPage(result.length, limit) }
    },
  }
}
