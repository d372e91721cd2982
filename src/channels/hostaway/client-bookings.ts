import type { CallContext } from '../contract/channel.ts'
import type { Reservation } from '../contract/reservation.ts'
import type { ReservationDraft, ReservationFields } from '../contract/reservation-draft.ts'
import { type HostawayCaller, pathId } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import { toWireFields, toWireReservation } from './wire/outgoing-fields.ts'
import { parseReservation } from './wire/wire-reservation.ts'

const collection = '/reservations'
const rowsSearched = 100

/** Calls that make and change reservations. Each returns the reservation as Hostaway then holds it. */
export function bookingCalls({ callApi }: HostawayCaller) {
  async function search(call: CallContext, query: Record<string, string>): Promise<Reservation[]> {
    const { result } = await callApi(call, {
      method: 'GET',
      path: collection,
      endpoint: collection,
      query: { ...query, limit: rowsSearched, includeResources: 1 },
    })
    if (!Array.isArray(result)) throw malformedAnswer('it is not a list', 200)
    return result
      .flatMap((row) => parseReservation(row, { isComplete: true }).reservation ?? [])
      .toSorted((one, other) => Number(one.id) - Number(other.id))
  }

  return {
    /**
     * Makes a reservation on nights that are free. Not safe to repeat: after anything but a clear answer look with
     * `findReservationsByMarker` first. Throws `rejected` where Hostaway does not want it.
     */
    createReservation: async (call: CallContext, reservation: ReservationDraft): Promise<Reservation> => {
      const { result } = await callApi(call, {
        method: 'POST',
        path: collection,
        endpoint: collection,
        body: toWireReservation(reservation),
      })
      return read(result)
    },

    /** The reservations of a listing that carry this marker, the one made first at the front. */
    findReservationsByMarker: async (
      call: CallContext,
      { listingId, marker }: Pick<ReservationDraft, 'listingId' | 'marker'>,
    ): Promise<Reservation[]> => {
      const found = await search(call, { customerUserId: marker, listingId })
      return found.filter((reservation) => reservation.marker === marker)
    },

    /** The reservations of a listing that begin on a day, the one made first at the front. */
    findReservationsByArrival: async (
      call: CallContext,
      { listingId, arrivalDate }: { listingId: string; arrivalDate: string },
    ): Promise<Reservation[]> => {
      const query = { listingId, arrivalStartDate: arrivalDate, arrivalEndDate: arrivalDate }
      return (await search(call, query)).filter((reservation) => reservation.arrivalDate === arrivalDate)
    },

    /** Changes the named fields and nothing else; the same twice changes nothing. Throws `not_found`, `rejected`. */
    updateReservation: async (
      call: CallContext,
      id: string,
      fields: ReservationFields,
    ): Promise<Reservation> => {
      const { result } = await callApi(call, {
        method: 'PUT',
        path: `${collection}/${pathId(id)}`,
        endpoint: '/reservations/:id',
        body: toWireFields(fields),
      })
      return read(result, id)
    },

    /** Cancels on behalf of the host; cancelling twice does no harm. Throws `not_found`, `rejected`. */
    cancelReservation: async (call: CallContext, id: string): Promise<Reservation> => {
      const { result } = await callApi(call, {
        method: 'PUT',
        path: `${collection}/${pathId(id)}/statuses/cancelled`,
        endpoint: '/reservations/:id/statuses/cancelled',
        body: { cancelledBy: 'host' },
      })
      return read(result, id)
    },
  }
}

function read(result: unknown, id?: string): Reservation {
  const { reservation } = parseReservation(result)
  if (reservation === null || (id !== undefined && reservation.id !== id)) {
    throw malformedAnswer('it does not show the reservation', 200)
  }
  return reservation
}
