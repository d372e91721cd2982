import { AppError, isRemoteAway } from '../platform/errors.ts'
import { Problem } from '../platform/http/problems.ts'

/** Whether a failure says that Hostaway cannot be asked now, rather than what it thinks of us. */
export function isHostawayAway(error: unknown): boolean {
  return error instanceof AppError && isRemoteAway(error)
}

/** Turns what a step at Hostaway failed with into a problem for whoever asked for it. */
export function explainHostaway(error: unknown): never {
  if (!(error instanceof AppError) || error.kind === 'database_unavailable') throw error
  if (error.kind === 'credentials_rejected') {
    throw new Problem(
      422,
      'HOSTAWAY_CREDENTIALS_REJECTED',
      'Hostaway does not accept this account id with this API key; create a key in Hostaway under Settings → Hostaway API',
    )
  }
  if (error.kind === 'connection_waiting') throw new Problem(409, 'CONNECTION_NEEDS_KEY', error.message)
  if (isHostawayAway(error)) {
    throw new Problem(
      503,
      'HOSTAWAY_UNAVAILABLE',
      `Hostaway cannot be reached at the moment: ${error.message}`,
    )
  }
  throw new Problem(502, 'HOSTAWAY_REFUSED', `Hostaway refused a step: ${error.message}`)
}
