import assert from 'node:assert/strict'
import { eventually } from './eventually.ts'
import { sandboxAccount, type TestSystem } from './test-system.ts'

/** Times at which a push happens almost at once. */
export const fastTimes = { settleMs: 20, restMs: 50, startMs: 300, landingMs: 100, leaseMs: 2_000 }

const dayMs = 86_400_000

/** The plain day so many days from now, far enough from midnight anywhere. */
export function inDays(days: number): string {
  return new Date(Date.now() + days * dayMs).toISOString().slice(0, 10)
}

export type SyncStatus = {
  pendingDays: number
  failedDays: number
  driftedDays: number
  listings: Array<{
    listingId: string
    unitId: string | null
    pendingDays: number
    failedDays: number
    driftedDays: number
    attempts: number
    nextAttemptAt: string | null
    lastPushedAt: string | null
    lastError: string | null
  }>
}

/** Posts events and expects them to be taken. */
export async function desired(system: TestSystem, events: unknown): Promise<void> {
  const answer = await system.api('POST', '/v1/events?tenant=demo', events)
  assert.equal(answer.status, 202, answer.text)
}

/** Posts what is desired of a listing's availability and restrictions. */
export async function desireAvailability(
  system: TestSystem,
  listing: number,
  ranges: object[],
): Promise<void> {
  await desired(system, { type: 'availability.updated', unitId: `hostaway-${listing}`, ranges })
}

/** What the connection says about its pushes. */
export async function syncOf(system: TestSystem, { id }: { id: string }): Promise<SyncStatus> {
  return (await system.api<SyncStatus>('GET', `/v1/connections/${id}/sync`)).body
}

/** Waits until no listing of any connection waits or is being worked on. */
export async function whenPushed(system: TestSystem, timeoutMs = 15_000): Promise<void> {
  await eventually(
    async () => {
      const waiting = await system.db
        .selectFrom('listing_pushes')
        .select(['listing_id', 'due_at', 'lease_until', 'attempts', 'last_error', 'not_before'])
        .where((eb) => eb.or([eb('due_at', 'is not', null), eb('lease_until', 'is not', null)]))
        .execute()
      assert.deepEqual(waiting, [])
    },
    { timeoutMs },
  )
}

/** Writes to a listing's calendar at Hostaway as another client would, with a token of the account. */
export async function writeAtHostaway(system: TestSystem, listing: number, body: unknown): Promise<void> {
  const { accountId, apiKey } = sandboxAccount
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: String(accountId),
    client_secret: apiKey,
    scope: 'general',
  })
  const issued = await fetch(`${system.sandbox.apiUrl}/accessTokens`, { method: 'POST', body: form })
  const { access_token: token } = (await issued.json()) as { access_token: string }
  const answer = await fetch(`${system.sandbox.apiUrl}/listings/${listing}/calendar`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(answer.status, 200)
}

/** One night of a listing as Hostaway holds it. */
export async function nightAt(system: TestSystem, listing: number, day: string) {
  const { listings } = await system.control.state(sandboxAccount.accountId, { from: day, to: day })
  const night = listings.find((entry) => entry.listing.id === listing)?.calendar[0]
  assert.ok(night)
  return night
}

export type Write = { path: string; body: unknown }

/** The writes that reached Hostaway, oldest first. */
export async function writesAt(system: TestSystem): Promise<Write[]> {
  const calls = await system.control.calls({ method: 'PUT' })
  return calls.map(({ path, body }) => ({ path, body }))
}

/** Ids of the sandbox's listings, in their order. */
export async function listingIds(system: TestSystem): Promise<number[]> {
  const { listings } = await system.control.state(sandboxAccount.accountId)
  return listings.map(({ listing }) => listing.id)
}
