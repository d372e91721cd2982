import type { Channel } from '../channels/contract/channel.ts'
import { AppError, factsOf, isRemoteAway } from '../platform/errors.ts'
import { codeOfChannel } from '../platform/http/problem-codes.ts'
import { Problem } from '../platform/http/problems.ts'

/** Whether a failure says that the channel cannot be asked now, rather than what it thinks of us. */
export function isChannelAway(error: unknown): boolean {
  return error instanceof AppError && isRemoteAway(error)
}

// Nothing that the channel or the caller could do about it.
function isOurs(error: AppError): boolean {
  const { outcome, blames } = factsOf(error)
  return outcome === 'retry' && blames === 'us'
}

/** Throws the failure of a step at a channel as a problem for the caller of the API. */
export function explainFailure({ name, title, access }: Channel): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof AppError) || isOurs(error)) throw error
    if (error.kind === 'credentials_rejected') {
      throw new Problem(
        422,
        codeOfChannel(name, 'CREDENTIALS_REJECTED'),
        `${title} does not accept this account id with this API key; ${access.keyHint}`,
      )
    }
    if (error.kind === 'connection_waiting') throw new Problem(409, 'CONNECTION_NEEDS_KEY', error.message)
    if (isChannelAway(error)) {
      throw new Problem(
        503,
        codeOfChannel(name, 'UNAVAILABLE'),
        `${title} cannot be reached at the moment: ${error.message}`,
      )
    }
    throw new Problem(502, codeOfChannel(name, 'REFUSED'), `${title} refused a step: ${error.message}`)
  }
}
