import type { BookingView } from '../src/bookings/booking-view.ts'
import type { MappingSpec } from '../src/mapping/mapping-spec.ts'

export type WaitingReservation = {
  externalId: string
  status: string
  problems: Array<{ field: string; code: string; message: string }>
}

export type FeedEvent = { id: string; type: string }

export type TvlEvent = { type: string; unitId: string; [key: string]: unknown }

export type Connection = { id: string; accountId: string; webhook: { url: string }; import: { id: string } }

export type Import = {
  status: 'running' | 'completed' | 'failed' | 'cancelled'
  done: number
  created: number
  lastError: string | null
}

type Page<Item> = { data: Item[]; nextCursor: string | null }

const maxPageSize = 200

export type ConnectorClient = ReturnType<typeof createConnectorClient>

/** Speaks to the connector's public API. Every method rejects with the connector's own words when it refuses. */
export function createConnectorClient(url: string, token: string) {
  async function ask<Result>(method: string, path: string, body?: unknown): Promise<Result> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return JSON.parse(text) as Result
  }

  async function all<Item>(path: string, query: Record<string, string>): Promise<Item[]> {
    const items: Item[] = []
    let cursor: string | null = null
    do {
      const page: Page<Item> = await ask(
        'GET',
        `${path}?${new URLSearchParams({ ...query, limit: String(maxPageSize), ...(cursor === null ? {} : { cursor }) })}`,
      )
      items.push(...page.data)
      cursor = page.nextCursor
    } while (cursor !== null)
    return items
  }

  return {
    createTenant: (slug: string, name: string) => ask<{ id: string }>('POST', '/v1/tenants', { slug, name }),
    createToken: (tenant: string, role: string, name: string) =>
      ask<{ token: string }>('POST', '/v1/tokens', { tenant, role, name }),
    connect: (request: { tenant: string; accountId: number; apiKey: string; autoImport: boolean }) =>
      ask<Connection>('POST', '/v1/connections', { channel: 'hostaway', ...request }),
    import: (connectionId: string, importId: string) =>
      ask<Import>('GET', `/v1/connections/${connectionId}/imports/${importId}`),
    setMapping: (connectionId: string, spec: MappingSpec) =>
      ask<{ version: number }>('PUT', `/v1/connections/${connectionId}/mapping`, { spec }),
    /** Takes edits as TVL's services send them; they are pushed to Hostaway afterwards. */
    postEvents: (tenant: string, events: TvlEvent[]) =>
      ask<{ accepted: number }>('POST', `/v1/events?${new URLSearchParams({ tenant })}`, events),
    /** How many nights Hostaway does not hold yet as they are desired. */
    pendingDays: async (connectionId: string) =>
      (await ask<{ pendingDays: number }>('GET', `/v1/connections/${connectionId}/sync`)).pendingDays,
    bookings: () => all<BookingView>('/v1/bookings', {}),
    async booking(externalId: number): Promise<BookingView | undefined> {
      return (await ask<Page<BookingView>>('GET', `/v1/bookings?externalId=${externalId}`)).data[0]
    },
    /** The reservations that wait for a person. */
    waiting: () => all<WaitingReservation>('/v1/booking-queue', { status: 'pending' }),
    /** How many accepted webhooks have not come to an end. */
    unfinishedWebhooks: async () => (await all('/v1/webhooks', { status: 'received' })).length,
    openDeadLetters: () => all<{ kind: string; message: string }>('/v1/dead-letters', { status: 'open' }),
    /** Every event of the feed, oldest first. */
    async events(): Promise<FeedEvent[]> {
      const events: FeedEvent[] = []
      for (;;) {
        const last = events.at(-1)
        const page = await ask<Page<FeedEvent>>(
          'GET',
          `/v1/feed?${new URLSearchParams({ limit: String(maxPageSize), ...(last === undefined ? {} : { after: last.id }) })}`,
        )
        events.push(...page.data)
        if (page.data.length < maxPageSize) return events
      }
    },
  }
}
