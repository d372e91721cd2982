import type { Transaction } from 'kysely'
import { insertDeadLetter } from '../../dead-letters/dead-letter-store.ts'
import type { Database } from '../../platform/db/tables.ts'
import type { AppError } from '../../platform/errors.ts'
import { outboundQueue } from '../../platform/queue/queues.ts'
import { currentTraceId } from '../../platform/telemetry/tracing.ts'
import { pushSubject } from './push-store.ts'

/** Opens the dead letter of a booking that Hostaway could not be told of, in the transaction that sets it aside. */
export async function deadLetterBooking(
  trx: Transaction<Database>,
  {
    connection,
    bookingId,
    failure,
    attempts,
  }: { connection: { id: string; tenantId: string }; bookingId: string; failure: AppError; attempts: number },
): Promise<void> {
  await insertDeadLetter(trx, {
    tenantId: connection.tenantId,
    connectionId: connection.id,
    queue: outboundQueue,
    job: 'push-booking',
    subject: pushSubject(bookingId),
    payload: { bookingId, connectionId: connection.id },
    kind: failure.kind,
    message: failure.message,
    attempts,
    traceId: currentTraceId(),
  })
}
