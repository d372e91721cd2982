import type { Kysely } from 'kysely'
import type { Reservation } from '../../channels/contract/reservation.ts'
import { type CompiledMapping, type MappedReservation, mapReservation } from '../../mapping/apply-mapping.ts'
import type { MappedListing } from '../../mapping/booking-draft.ts'
import { compiledMappings } from '../../mapping/compiled-mappings.ts'
import type { Database, ListingRow } from '../../platform/db/tables.ts'

export type MappingTask = { connectionId: string; reservation: Reservation; listing: ListingRow | undefined }

/** A mapping that is tried in place of those in force; undefined in it is the default one. */
export type CandidateMapping = { mapping: CompiledMapping | undefined }

/** Maps reservations in the same order, each by the mapping of its connection that is in force if no other is tried. */
export async function mapReservations<Task extends MappingTask>(
  db: Kysely<Database>,
  tasks: Task[],
  candidate?: CandidateMapping,
): Promise<Array<{ task: Task; mapped: MappedReservation }>> {
  const connectionIds = tasks.map(({ connectionId }) => connectionId)
  const inForce = candidate === undefined ? await compiledMappings(db, connectionIds) : undefined
  const results: Array<{ task: Task; mapped: MappedReservation }> = []
  for (const task of tasks) {
    const mapping = candidate === undefined ? inForce?.get(task.connectionId) : candidate.mapping
    const mapped = await mapReservation(mapping, task.reservation, toMappedListing(task.listing))
    results.push({ task, mapped })
  }
  return results
}

/** A listing as mapping sees it. */
export function toMappedListing(listing: ListingRow | undefined): MappedListing | undefined {
  if (listing === undefined) return undefined
  return {
    listingId: listing.listing_id,
    unitId: listing.unit_id,
    name: listing.name,
    currency: listing.currency,
    commissionRate: listing.commission_rate,
  }
}
