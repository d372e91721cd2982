import type { ReservationVersion } from '../bookings/booking-store.ts'

/** What to do with an incoming version: `conflict` means that only Hostaway can say which of two equals is right. */
export type VersionVerdict = 'apply' | 'older' | 'same' | 'conflict'

export type StoredVersion = ReservationVersion & {
  /** Whether the stored body says the same as the incoming one. */
  sameContent: boolean
}

/**
 * Compares an incoming version of a reservation with the stored one. Hostaway gives no sequence: the version is its
 * `updatedOn`, in seconds, so two different bodies can carry the same one. A provisional version (a body without
 * `updatedOn` that Hostaway does not know any more) never beats one with `updatedOn`.
 */
export function compareVersions(
  incoming: ReservationVersion & { receivedAt: Date | null },
  stored: StoredVersion | undefined,
): VersionVerdict {
  if (stored === undefined) return 'apply'
  if (incoming.kind !== stored.kind) return incoming.kind === 'source' ? 'apply' : 'older'
  const difference = incoming.at.getTime() - stored.at.getTime()
  if (difference > 0) return 'apply'
  if (difference < 0) return 'older'
  if (stored.sameContent) return 'same'
  if (incoming.kind === 'provisional') return 'apply'
  if (incoming.fetchedAt !== null) {
    return stored.fetchedAt === null || incoming.fetchedAt >= stored.fetchedAt ? 'apply' : 'older'
  }
  // Hostaway was asked after this body had arrived, so what is stored is what came of it.
  if (stored.fetchedAt !== null && incoming.receivedAt !== null && stored.fetchedAt > incoming.receivedAt) {
    return 'older'
  }
  return 'conflict'
}

/** The newer of two versions, the second if they are equal; one with `updatedOn` is newer than any provisional one. */
export function newerVersion<Version extends ReservationVersion>(a: Version, b: Version): Version {
  if (a.kind !== b.kind) return a.kind === 'source' ? a : b
  return a.at > b.at ? a : b
}
