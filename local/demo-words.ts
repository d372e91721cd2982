const channelNames: Record<number, string | undefined> = {
  2000: 'Direct',
  2002: 'Vrbo',
  2005: 'Booking.com',
  2018: 'Airbnb',
}

const monthFormat = new Intl.DateTimeFormat('en-US', { month: 'short', timeZone: 'UTC' })
const timeFormat = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

/** The name by which travellers know the channel. */
export function nameOfChannel(channelId: number | undefined): string {
  return channelNames[channelId ?? 0] ?? 'Hostaway'
}

/** From arrival to departure, `3–6 May`; without the year, as the guests of the demo come within the next one. */
export function describeStay(stay: { arrivalDate: string; departureDate: string }): string {
  const [arrival, departure] = [dayAndMonth(stay.arrivalDate), dayAndMonth(stay.departureDate)]
  if (arrival.month === departure.month) return `${arrival.day}–${departure.day} ${departure.month}`
  return `${arrival.day} ${arrival.month} – ${departure.day} ${departure.month}`
}

function dayAndMonth(text: string): { day: number; month: string } {
  const date = new Date(`${text}T00:00:00Z`)
  return { day: date.getUTCDate(), month: monthFormat.format(date) }
}

/** `Ada, Ben and Cleo`. */
export function listOf(names: string[]): string {
  return new Intl.ListFormat('en-GB').format(names)
}

/** Time of day as the visitor's clock shows it. */
export function timeOfDay(at = new Date()): string {
  return timeFormat.format(at)
}

/** `38 ms`, `2.4 s`. */
export function describeDuration(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`
}
