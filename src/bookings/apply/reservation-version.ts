import type { Reservation } from '../../channels/contract/reservation.ts'
import type { FieldComparison } from '../../channels/contract/reservation-merge.ts'
import type { ReservationVersion } from '../booking-store.ts'

/** What to do with an incoming version: `conflict` means that only the channel can say which of two equals is right. */
export type VersionVerdict = 'apply' | 'older' | 'same' | 'conflict'

/**
 * Compares an incoming version of a reservation with the stored one. The channel gives no sequence: the version is its
 * `updatedOn`, in seconds, so two different bodies can carry the same one. A provisional version (a body without
 * `updatedOn` that the channel does not know any more) never beats one with `updatedOn`. An older version is applied where
 * it speaks of fields of which nothing newer was heard: bodies are often partial, and come in any order.
 */
export function compareVersions(
  incoming: ReservationVersion & { receivedAt: Date | null },
  stored: ReservationVersion | undefined,
  /** Called only if the version alone does not decide. */
  compareBodies: () => FieldComparison,
): VersionVerdict {
  if (stored === undefined || versionText(incoming) > versionText(stored)) return 'apply'
  const { bringsNews, contradicts } = compareBodies()
  if (!contradicts) {
    if (bringsNews) return 'apply'
    return versionText(incoming) === versionText(stored) ? 'same' : 'older'
  }
  if (incoming.kind === 'provisional') return 'apply'
  if (incoming.fetchedAt !== null) {
    return stored.fetchedAt === null || incoming.fetchedAt >= stored.fetchedAt ? 'apply' : 'older'
  }
  // The channel was asked after this body had arrived, so what is stored is what came of it.
  if (stored.fetchedAt !== null && incoming.receivedAt !== null && stored.fetchedAt > incoming.receivedAt) {
    return 'older'
  }
  return 'conflict'
}

/** A text per version; they sort as the versions follow each other, every provisional one before any with `updatedOn`. */
export function versionText({ kind, at }: ReservationVersion): string {
  return `${kind === 'source' ? 's' : 'p'}${at.toISOString()}`
}

/** The newer of two versions, the second if they are equal; one with `updatedOn` is newer than any provisional one. */
export function newerVersion<Version extends ReservationVersion>(a: Version, b: Version): Version {
  if (a.kind !== b.kind) return a.kind === 'source' ? a : b
  return a.at > b.at ? a : b
}

// Clocks differ by seconds; a version that is further ahead has a wrong date, and would beat every later one.
const maxAheadMs = 5 * 60_000

/** Whether something that was known at `knownAt` says that it was changed later than that. */
export function isDatedAhead(updatedOn: Date | undefined, knownAt: Date): boolean {
  return updatedOn !== undefined && updatedOn.getTime() - knownAt.getTime() > maxAheadMs
}

/** The version of a reservation as the channel itself showed it; `fetchedAt` is when it was asked, by the database's clock. */
export function fetchedVersion({ updatedOn }: Reservation, fetchedAt: Date): ReservationVersion {
  return updatedOn === undefined
    ? { kind: 'provisional', at: fetchedAt, fetchedAt }
    : { kind: 'source', at: updatedOn, fetchedAt }
}
