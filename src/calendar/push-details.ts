import { capabilityOf } from '../channels/contract/channel.ts'
import type { Listing } from '../channels/contract/listing.ts'
import { callChannel } from '../connections/call-channel.ts'
import { AppError, factsOf, toAppError } from '../platform/errors.ts'
import type { ListingDetails } from './listing-changes.ts'
import { beginSending, endSending, listDetailsToPush, markDetailsPushed } from './listing-push-store.ts'
import { mayLandForMs, type Push } from './push-context.ts'

/** The details whose desired values differ from the pushed ones; none where the part is disabled. */
export async function detailsToPush({ deps, connection, lease }: Push): Promise<ListingDetails> {
  return connection.sync.listings.enabled ? listDetailsToPush(deps.db, lease) : {}
}

/** Pushes these details, in one call with only these. Returns how many calls changed something. */
export async function pushDetails(push: Push, details: ListingDetails): Promise<number> {
  const { deps, connection, listing, lease } = push
  if (Object.keys(details).length === 0) return 0
  const answered = await sendDetails(push, details)
  // The channel can answer success and not have kept everything, so what it then holds is what counts.
  const shown = holds(answered, details) ? answered : await getListing(push)
  if (!holds(shown, details)) {
    await endSending(deps.db, lease)
    const missing = Object.keys(details).filter((name) => !isSame(shown?.source[name], details[name]))
    throw new AppError('rejected', `The channel accepted the change and did not keep: ${missing.join(', ')}`)
  }
  await markDetailsPushed(deps.db, lease, details)
  deps.log.info({ connectionId: connection.id, listingId: listing.listing_id }, 'listing.details_pushed')
  return 1
}

/** Finds out what a call about details with an unknown outcome has done. */
export async function readBackDetails(push: Push, desired: ListingDetails): Promise<void> {
  const found = await getListing(push)
  const held = Object.entries(desired).filter(([name, value]) => isSame(found.source[name], value))
  await markDetailsPushed(push.deps.db, push.lease, Object.fromEntries(held))
}

async function sendDetails(push: Push, details: ListingDetails): Promise<Listing | undefined> {
  const { deps, connection, listing, lease } = push
  try {
    return await callChannel(deps, connection, { urgency: 'normal' }, async (channel, call) => {
      const startBefore = performance.now() + deps.times.startMs
      await beginSending(deps.db, lease, 'details', mayLandForMs(deps))
      return capabilityOf(channel, 'listings').update({ ...call, startBefore }, listing.listing_id, details)
    })
  } catch (error) {
    if (factsOf(toAppError(error)).effect === 'none') await endSending(deps.db, lease)
    throw error
  }
}

async function getListing({ deps, connection, listing }: Push): Promise<Listing> {
  return callChannel(deps, connection, { urgency: 'normal' }, (channel, call) =>
    capabilityOf(channel, 'listings').read(call, listing.listing_id),
  )
}

function holds(listing: Listing | undefined, details: ListingDetails): boolean {
  return (
    listing !== undefined &&
    Object.entries(details).every(([name, value]) => isSame(listing.source[name], value))
  )
}

function isSame(held: unknown, desired: unknown): boolean {
  if (held === desired) return true
  // Flags may come as booleans and amounts as text.
  return typeof desired === 'number' && held !== null && held !== '' && Number(held) === desired
}
