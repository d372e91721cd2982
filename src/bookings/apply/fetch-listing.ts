import { type CallOptions, capabilityOf } from '../../channels/contract/channel.ts'
import { type ChannelDeps, callChannel } from '../../connections/call-channel.ts'
import type { Connection } from '../../connections/connection-store.ts'
import { toListingFacts, upsertListings } from '../../listings/listing-store.ts'
import { AppError } from '../../platform/errors.ts'

/**
 * Fetches a listing that the connector has not heard of, and maps it; false where the channel does not know it either. Safe
 * to repeat.
 */
export async function fetchListing(
  deps: ChannelDeps,
  connection: Connection,
  listingId: string,
  how: CallOptions,
): Promise<boolean> {
  try {
    const listing = await callChannel(deps, connection, how, (channel, call) =>
      capabilityOf(channel, 'listings').read(call, listingId),
    )
    await upsertListings(deps.db, connection, [toListingFacts(listing)], true)
    return true
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not_found') return false
    throw error
  }
}
