import type { CallContext } from '../contract/channel.ts'
import type { Listing, ListingUnit } from '../contract/listing.ts'
import { type HostawayCaller, pathId } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import { isLastPage } from './wire/envelope.ts'
import { parseListing, parseListingUnits } from './wire/wire-listing.ts'

const rowsPerPage = 100
const maxPages = 200

/** Calls about listings. */
export function listingCalls({ callApi }: HostawayCaller) {
  async function listPage(call: CallContext, limit: number, offset: number) {
    const { result, limit: echoed } = await callApi(call, {
      method: 'GET',
      path: '/listings',
      endpoint: '/listings',
      query: { limit, offset },
    })
    if (!Array.isArray(result)) throw malformedAnswer('it is not a list', 200)
    return { rows: result, last: isLastPage(result.length, echoed) }
  }

  return {
    /** Reads as little as possible: whether the token is good for plain reading. Throws `forbidden` when it is not. */
    checkAccess: async (call: CallContext): Promise<void> => {
      await listPage(call, 1, 0)
    },

    /** One listing; throws `not_found`. */
    getListing: async (call: CallContext, id: string): Promise<Listing> => {
      const { result } = await callApi(call, {
        method: 'GET',
        path: `/listings/${pathId(id)}`,
        endpoint: '/listings/:id',
      })
      const { listing } = parseListing(result)
      if (listing?.id !== id) throw malformedAnswer('it is not the listing that was asked for', 200)
      return listing
    },

    /**
     * Changes the named details of a listing and nothing else; returns the listing as the answer shows it, undefined
     * where it shows none. Writing the same twice changes nothing. Throws `not_found`.
     */
    updateListing: async (
      call: CallContext,
      id: string,
      details: Record<string, string | number>,
    ): Promise<Listing | undefined> => {
      const { result } = await callApi(call, {
        method: 'PUT',
        path: `/listings/${pathId(id)}`,
        endpoint: '/listings/:id',
        body: details,
      })
      return parseListing(result).listing ?? undefined
    },

    /** All listings of the account, each once, over as many pages as there are; `maxWaitMs` holds for every page. */
    listListings: async (call: CallContext): Promise<Listing[]> => {
      const found = new Map<string, Listing>()
      let offset = 0
      for (let page = 0; page < maxPages; page += 1) {
        const { rows, last } = await listPage(call, rowsPerPage, offset)
        const before = found.size
        for (const row of rows) {
          const { listing } = parseListing(row)
          if (listing !== null) found.set(listing.id, listing)
        }
        // A page that repeats what is known comes from a server that does not move on.
        if (last || found.size === before) return [...found.values()]
        offset += rows.length
      }
      throw malformedAnswer(`the list of listings does not end after ${maxPages} pages`, 200)
    },

    /** The units of a listing that stands for several; none for an ordinary one. */
    listListingUnits: async (call: CallContext, listingId: string): Promise<ListingUnit[]> => {
      const { result } = await callApi(call, {
        method: 'GET',
        path: `/listingUnits/${pathId(listingId)}`,
        endpoint: '/listingUnits/:id',
      })
      return parseListingUnits(result)
    },
  }
}
