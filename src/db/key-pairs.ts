import { type RawBuilder, sql } from 'kysely'

/**
 * Condition that a row belongs to one of these things, each known by its connection and an id of Hostaway's. Two
 * parameters for any number of them.
 */
export function belongsToOneOf(
  columns: { connection: string; id: string },
  keys: ReadonlyArray<{ connectionId: string; id: string }>,
): RawBuilder<boolean> {
  return sql<boolean>`(${sql.ref(columns.connection)}, ${sql.ref(columns.id)}) in (
    select * from unnest(
      ${keys.map(({ connectionId }) => connectionId)}::uuid[],
      ${keys.map(({ id }) => id)}::text[]
    )
  )`
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
