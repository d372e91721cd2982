import assert from 'node:assert/strict'
import type { Reservation } from '../../sandbox/reservation-factory.ts'
import { requestPolling } from '../../src/polling/polling-lease-store.ts'
import { eventually } from './eventually.ts'
import { sandboxAccount, type TestSystem } from './test-system.ts'

const { accountId } = sandboxAccount

export type ImportView = {
  id: string
  status: 'running' | 'completed' | 'failed' | 'cancelled'
  step: string
  done: number
  total: number | null
  created: number
  updated: number
  unchanged: number
  waiting: number
  failed: number
  ratePerSecond: number | null
  estimatedEndAt: string | null
  attempts: number
  lastError: string | null
  startedAt: string | null
  finishedAt: string | null
}

/** What the tests of a system's history have in common. */
export function observeHistory(system: TestSystem) {
  const show = async (connectionId: string, importId: string): Promise<ImportView> => {
    const path = `/v1/connections/${connectionId}/imports/${importId}`
    return (await system.api<ImportView>('GET', path)).body
  }

  async function newest(connectionId: string): Promise<ImportView> {
    const { body } = await system.api<{ data: ImportView[] }>(
      'GET',
      `/v1/connections/${connectionId}/imports`,
    )
    const [row] = body.data
    assert.ok(row, 'there is no import')
    return row
  }

  /** Waits until the newest import has this status. */
  const when = (
    connectionId: string,
    status: ImportView['status'],
    timeoutMs = 20_000,
  ): Promise<ImportView> =>
    eventually(
      async () => {
        const row = await newest(connectionId)
        assert.equal(row.status, status, JSON.stringify(row))
        return row
      },
      { timeoutMs },
    )

  /** The pages that were asked for, by what they began behind; null is the first page. */
  async function pagesAsked(): Promise<Array<string | null>> {
    const calls = await system.control.calls({ method: 'GET', path: '/reservations' })
    return calls.map(({ query }) => (query.afterId === undefined ? null : String(query.afterId)))
  }

  /** Reconciles now and waits for the end of it. */
  async function reconcileNow(connectionId: string): Promise<void> {
    await requestPolling(system.db, connectionId, 'reconcile')
    await reconciled(connectionId)
  }

  const reconciled = (connectionId: string): Promise<void> =>
    eventually(async () => {
      const turn = await system.db
        .selectFrom('polling_leases')
        .select('reconcile_due_at')
        .where('connection_id', '=', connectionId)
        .executeTakeFirst()
      assert.equal(turn?.reconcile_due_at, null)
    })

  /** Compares every reservation of the account with what is stored of it. */
  async function assertSameAsHostaway(connectionId: string): Promise<void> {
    const { reservations } = await system.control.state(accountId)
    const rows = await system.db
      .selectFrom('bookings')
      .select(['external_id', 'source_status', 'check_in', 'check_out', 'version_at', 'guests_total'])
      .where('connection_id', '=', connectionId)
      .execute()
    const stored = new Map(
      rows.map((row) => [
        row.external_id,
        [row.source_status, row.check_in, row.check_out, row.version_at.toISOString(), row.guests_total],
      ]),
    )
    assert.equal(stored.size, reservations.length)
    for (const reservation of reservations) {
      assert.deepEqual(stored.get(String(reservation.id)), expected(reservation), `${reservation.id}`)
    }
  }

  return { show, newest, when, pagesAsked, reconcileNow, reconciled, assertSameAsHostaway }
}

function expected({ status, arrivalDate, departureDate, updatedOn, numberOfGuests }: Reservation) {
  return [status, arrivalDate, departureDate, `${updatedOn.replace(' ', 'T')}.000Z`, numberOfGuests]
}
