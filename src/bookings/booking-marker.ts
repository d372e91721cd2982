const pattern = /^tvl-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/**
 * What a booking made in TVL is known by until the channel has given it an id, and what its reservation there carries
 * for good, so that it is recognised wherever it comes from.
 */
export function markerOf(bookingId: string): string {
  return `tvl-${bookingId}`
}

/** The booking that a text is the marker of; undefined for anything else. */
export function bookingIdOfMarker(text: string | null | undefined): string | undefined {
  return pattern.exec(text ?? '')?.[1]
}

/** The channel's id of a reservation as others may see it: null while the channel does not know the reservation. */
export function knownExternalId(externalId: string): string | null {
  return bookingIdOfMarker(externalId) === undefined ? externalId : null
}
