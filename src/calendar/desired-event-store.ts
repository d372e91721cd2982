import { isDeepStrictEqual } from 'node:util'
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { DesiredEventsTable } from '../platform/db/outbound-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import type { Caller } from '../platform/http/api-auth.ts'
import type { WrongField } from '../platform/http/violations.ts'
import type { DesiredEvent, SentEvent } from './read-events.ts'

export type DesiredEventRow = Selectable<DesiredEventsTable>

/** Who sent a request: what of it is kept beside its events. */
export type Sender = { caller: Caller; requestId: string }

/** The events that are new, and the ids of all of them in the order in which they were sent. */
export type KeptEvents = { fresh: DesiredEvent[]; ids: string[]; batchId: string }

const keptDays = 90

/**
 * Keeps the events of a request in the transaction that writes what they desire. An event whose source and id came
 * before with the same content is not new: it keeps its id. With other content it is a violation.
 */
export async function keepEvents(
  trx: Transaction<Database>,
  tenantId: string,
  sent: SentEvent[],
  { caller, requestId }: Sender,
): Promise<KeptEvents & { problems: WrongField[] }> {
  const batchId = uuid()
  const known = await findByKeys(
    trx,
    tenantId,
    sent.flatMap(({ key }) => key ?? []),
  )
  const kept: KeptEvents & { problems: WrongField[] } = { fresh: [], ids: [], batchId, problems: [] }
  const rows: object[] = []
  for (const [position, { event, key }] of sent.entries()) {
    const name = key === undefined ? undefined : JSON.stringify([key.source, key.id])
    const data = JSON.parse(JSON.stringify(contentOf(event))) as Record<string, unknown>
    const before = name === undefined ? undefined : known.get(name)
    if (before !== undefined) {
      kept.ids.push(before.id)
      if (!isDeepStrictEqual([before.type, before.unit_id, before.data], [event.type, event.unitId, data])) {
        const message = `came before with other content, as event ${before.id}`
        kept.problems.push({ field: fieldOf(event, 'id'), message })
      }
      continue
    }
    const id = uuid()
    if (name !== undefined) known.set(name, { id, type: event.type, unit_id: event.unitId, data })
    kept.ids.push(id)
    kept.fresh.push(event)
    rows.push({
      id,
      position,
      source: key?.source,
      event_id: key?.id,
      type: event.type,
      unit_id: event.unitId,
      data,
    })
  }
  if (rows.length === 0 || kept.problems.length > 0) return kept
  await sql`
    insert into desired_events (id, tenant_id, batch_id, position, source, event_id, type, unit_id, data,
      token_id, token_name, role, request_id)
    select id, ${tenantId}, ${batchId}, position, source, event_id, type, unit_id, data,
      ${caller.tokenId}, ${caller.tokenName}, ${caller.role}, ${requestId}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as sent (
      id uuid, position integer, source text, event_id text, type text, unit_id text, data jsonb)
  `.execute(trx)
  return kept
}

type Known = Pick<DesiredEventRow, 'id' | 'type' | 'unit_id' | 'data'>

async function findByKeys(
  db: Kysely<Database>,
  tenantId: string,
  keys: Array<{ source: string; id: string }>,
): Promise<Map<string, Known>> {
  if (keys.length === 0) return new Map()
  const { rows } = await sql<Known & { source: string; event_id: string }>`
    select e.id, e.type, e.unit_id, e.data, e.source, e.event_id
    from jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) as sent (source text, id text)
    join desired_events e on e.tenant_id = ${tenantId} and e.source = sent.source and e.event_id = sent.id
  `.execute(db)
  return new Map(rows.map((row) => [JSON.stringify([row.source, row.event_id]), row]))
}

// What is desired, without where in the request it stood.
function contentOf(event: DesiredEvent): object {
  if (event.type === 'listing.updated') return { changes: event.changes }
  const ranges = event.ranges.map(({ field: _field, values, ...range }) => ({ ...range, ...values }))
  return event.type === 'pricing.updated' ? { currency: event.currency, ranges } : { ranges }
}

function fieldOf({ field }: DesiredEvent, name: string): string {
  // CloudEvents hold what is desired in `data`, and their id beside it.
  const outer = field === 'data' ? '' : field.replace(/\.data$/, '')
  return outer === '' ? name : `${outer}.${name}`
}

/** Events of a tenant, newest first, one more than `limit`. */
export async function listDesiredEvents(
  db: Kysely<Database>,
  filter: {
    tenantId: string | undefined
    unitId?: string | undefined
    limit: number
    after: string | undefined
  },
): Promise<DesiredEventRow[]> {
  let query = db
    .selectFrom('desired_events')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(filter.limit + 1)
  if (filter.tenantId !== undefined) query = query.where('tenant_id', '=', filter.tenantId)
  if (filter.unitId !== undefined) query = query.where('unit_id', '=', filter.unitId)
  if (filter.after !== undefined) query = query.where('id', '<', filter.after)
  return query.execute()
}

export async function findDesiredEvent(
  db: Kysely<Database>,
  id: string,
  tenantId: string | undefined,
): Promise<DesiredEventRow | undefined> {
  const query = db.selectFrom('desired_events').selectAll().where('id', '=', id)
  return (tenantId === undefined ? query : query.where('tenant_id', '=', tenantId)).executeTakeFirst()
}

/** What became of an event on one night of a listing. `repeated`: it was desired before, by another request. */
export type NightOutcome = {
  connectionId: string
  listingId: string
  day: string
  state: 'pushed' | 'pending' | 'failed' | 'superseded' | 'repeated'
}

/** What became of an event of availability or prices, by listing and night. */
export async function outcomeOf(db: Kysely<Database>, event: DesiredEventRow): Promise<NightOutcome[]> {
  const { ranges = [] } = event.data as { ranges?: Array<{ from: string; to: string }> }
  if (ranges.length === 0) return []
  const spans = JSON.stringify(ranges.map(({ from, to }) => ({ from_day: from, to_day: to })))
  const { rows } = await sql<NightOutcome>`
    select distinct d.connection_id as "connectionId", d.listing_id as "listingId", d.day::text as day,
      case
        when d.desired_batch is distinct from ${event.batch_id} and d.desired_at > ${event.received_at} then 'superseded'
        when d.desired_batch is distinct from ${event.batch_id} then 'repeated'
        when d.failed_kind is not null then 'failed'
        when d.units_differ or d.rest_differs or d.unverified_since is not null then 'pending'
        else 'pushed'
      end as state
    from jsonb_to_recordset(${spans}::jsonb) as span (from_day date, to_day date)
    join listings l on l.tenant_id = ${event.tenant_id} and l.unit_id = ${event.unit_id}
    join calendar_days d on d.connection_id = l.connection_id and d.listing_id = l.listing_id
      and d.day between span.from_day and span.to_day
    order by 1, 2, 3
  `.execute(db)
  return rows
}

/** The event a night's desired value came from, and the token that sent it. */
export type Sent = { eventId: string; tokenId: string | null; name: string; role: string }

type SentNight = { desired_batch: string | null; unit_id: string; day: string }

/** Finds, for nights, the last event of the request that set them; null where the event is not kept any more. */
export async function findSenders(
  db: Kysely<Database>,
  nights: SentNight[],
): Promise<(night: SentNight) => Sent | null> {
  const batches = [...new Set(nights.flatMap(({ desired_batch }) => desired_batch ?? []))]
  if (batches.length === 0) return () => null
  const units = [...new Set(nights.map(({ unit_id }) => unit_id))]
  const events = await db
    .selectFrom('desired_events')
    .selectAll()
    .where('batch_id', '=', sql<string>`any(${batches}::uuid[])`)
    .where('unit_id', '=', sql<string>`any(${units})`)
    .orderBy('position', 'desc')
    .execute()
  const byRequest = Map.groupBy(events, ({ batch_id, unit_id }) => `${batch_id} ${unit_id}`)
  return ({ desired_batch, unit_id, day }) => {
    const event = byRequest.get(`${desired_batch} ${unit_id}`)?.find((one) => covers(one, day))
    if (event === undefined) return null
    return { eventId: event.id, tokenId: event.token_id, name: event.token_name, role: event.role }
  }
}

function covers({ data }: DesiredEventRow, day: string): boolean {
  const { ranges = [] } = data as { ranges?: Array<{ from: string; to: string }> }
  return ranges.some(({ from, to }) => from <= day && day <= to)
}

/** Deletes events of which nothing can depend any more, a batch a call; safe to repeat. Returns how many. */
export async function pruneDesiredEvents(db: Kysely<Database>, limit: number): Promise<number> {
  const { rows } = await sql`
    delete from desired_events where id in (
      select id from desired_events where received_at < now() - ${keptDays} * interval '1 day'
      order by received_at limit ${limit}
    ) returning 1
  `.execute(db)
  return rows.length
}
