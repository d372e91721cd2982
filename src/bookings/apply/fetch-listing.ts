import type { Call } from '../../channels/hostaway/client.ts'
import { type AccessTokenDeps, withAccessToken } from '../../connections/access-token.ts'
import type { Connection } from '../../connections/connection-store.ts'
import { toListingFacts, upsertListings } from '../../listings/listing-store.ts'
import { AppError } from '../../platform/errors.ts'

/**
 * Fetches a listing that the connector has not heard of, and maps it; false where Hostaway does not know it either. Safe
 * to repeat.
 */
export async function fetchListing(
  deps: AccessTokenDeps,
  connection: Connection,
  listingId: string,
  how: Pick<Call, 'urgency' | 'maxWaitMs'>,
): Promise<boolean> {
  try {
    const listing = await withAccessToken(deps, connection, (token) =>
      deps.client.getListing({ accountId: connection.accountId, token, ...how }, listingId),
    )
    await upsertListings(deps.db, connection, [toListingFacts(listing)], true)
    return true
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not_found') return false
    throw error
  }
}
