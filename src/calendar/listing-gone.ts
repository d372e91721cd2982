import { capabilityOf } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { AppError } from '../platform/errors.ts'
import type { Push } from './push-context.ts'

/** Thrown where Hostaway takes nothing for a listing any more: it is archived, or gone. */
export class ListingGone extends AppError {
  constructor(message: string) {
    super('not_found', message)
    this.name = 'ListingGone'
  }
}

/** Asks, after a refusal, whether it is the listing that is at fault; then throws ListingGone. */
export async function refuseIfListingIsGone(
  { deps, connection, listing }: Push,
  refusal: AppError,
): Promise<void> {
  try {
    const found = await callChannel(deps, connection, { urgency: 'urgent' }, (channel, call) =>
      capabilityOf(channel, 'listings').read(call, listing.listing_id),
    )
    if (found.archived) throw new ListingGone(`The listing is archived at Hostaway. ${refusal.message}`)
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not_found' && !(error instanceof ListingGone)) {
      throw new ListingGone(`The listing does not exist at Hostaway any more. ${refusal.message}`)
    }
    throw error
  }
}
