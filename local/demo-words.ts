const channelNames: Record<number, string | undefined> = {
  2000: 'Direct',
  2002: 'Vrbo',
  2005: 'Booking.com',
  2018: 'Airbnb',
}

const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const dayFormatWithYear = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' })
const timeFormat = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

/** The name by which travellers know the channel. */
export function nameOfChannel(channelId: number | undefined): string {
  return channelNames[channelId ?? 0] ?? 'Hostaway'
}

/** From arrival to departure, `3–6 May`, with the year where it is not the present one. */
export function describeStay(stay: { arrivalDate: string; departureDate: string }): string {
  const arrival = new Date(`${stay.arrivalDate}T00:00:00Z`)
  const departure = new Date(`${stay.departureDate}T00:00:00Z`)
  const isThisYear = departure.getUTCFullYear() === new Date().getUTCFullYear()
  return (isThisYear ? dayFormat : dayFormatWithYear).formatRange(arrival, departure)
}

/** Time of day as the visitor's clock shows it. */
export function timeOfDay(at = new Date()): string {
  return timeFormat.format(at)
}

/** `38 ms`, `2.4 s`. */
export function describeDuration(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`
}
