import { AppError } from '../../platform/errors.ts'
import type { CalendarDay, CalendarInterval } from '../contract/calendar.ts'
import type { CallContext } from '../contract/channel.ts'
import { type HostawayCaller, pathId } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import { maxIntervalsPerCall, parseCalendar, toWireInterval } from './wire/wire-calendar.ts'

/** Calls about the calendar of a listing. Writing the same values twice changes nothing. */
export function calendarCalls({ callApi }: HostawayCaller) {
  return {
    /** The nights from `from` to `to`, both included, as `YYYY-MM-DD`. */
    getCalendar: async (
      call: CallContext,
      listingId: string,
      from: string,
      to: string,
    ): Promise<CalendarDay[]> => {
      const { result } = await callApi(call, {
        method: 'GET',
        path: `/listings/${pathId(listingId)}/calendar`,
        endpoint: '/listings/:id/calendar',
        query: { startDate: from, endDate: to },
      })
      const calendar = parseCalendar(result)
      if (calendar === undefined) throw malformedAnswer('it is not a list of days', 200)
      return calendar.days
    },

    /** Writes one interval and returns the nights as Hostaway then holds them. */
    putCalendar: async (
      call: CallContext,
      listingId: string,
      interval: CalendarInterval,
    ): Promise<CalendarDay[]> => {
      const { result } = await callApi(call, {
        method: 'PUT',
        path: `/listings/${pathId(listingId)}/calendar`,
        endpoint: '/listings/:id/calendar',
        body: toWireInterval(interval),
      })
      return parseCalendar(result)?.days ?? []
    },

    /** Writes up to 200 intervals in one call; the answer says nothing about the nights. */
    putCalendarIntervals: async (
      call: CallContext,
      listingId: string,
      intervals: CalendarInterval[],
    ): Promise<void> => {
      if (intervals.length === 0) return
      if (intervals.length > maxIntervalsPerCall) {
        throw new AppError(
          'invalid_payload',
          `Hostaway takes at most ${maxIntervalsPerCall} intervals in one call`,
        )
      }
      await callApi(call, {
        method: 'PUT',
        path: `/listings/${pathId(listingId)}/calendarIntervals`,
        endpoint: '/listings/:id/calendarIntervals',
        body: intervals.map(toWireInterval),
      })
    },
  }
}
