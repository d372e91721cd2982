import { type RawBuilder, sql } from 'kysely'

/**
 * Condition that a row belongs to one of these things, each known by its connection and an id of the channel's; the same
 * few parameters for any number of them.
 */
export function belongsToOneOf(
  columns: { connection: string; id: string },
  keys: ReadonlyArray<{ connectionId: string; id: string }>,
): RawBuilder<boolean> {
  const connection = sql.ref(columns.connection)
  const id = sql.ref(columns.id)
  const connectionIds = keys.map(({ connectionId }) => connectionId)
  const ids = keys.map((key) => key.id)
  // The last line alone would do, but PostgreSQL reads a table of some thousand rows as a whole to answer it.
  return sql<boolean>`
    ${connection} = any(${[...new Set(connectionIds)]}::uuid[]) and ${id} = any(${ids}::text[])
    and (${connection}, ${id}) in (select * from unnest(${connectionIds}::uuid[], ${ids}::text[]))`
}

/** The same for tables that keep a reservation per row. */
export function isOfReservations(
  reservations: ReadonlyArray<{ connectionId: string; externalId: string }>,
): RawBuilder<boolean> {
  return belongsToOneOf(
    { connection: 'connection_id', id: 'external_id' },
    reservations.map(({ connectionId, externalId }) => ({ connectionId, id: externalId })),
  )
}
