import { type Kysely, sql } from 'kysely'

/**
 * A booking made in TVL is a draft of TVL's until its channel has sent a body of it. The bodies that stood in for the
 * channel's become drafts.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table bookings alter column source drop not null, add column draft jsonb`.execute(db)
  await sql`
    update bookings set source = null, field_versions = null, draft = jsonb_build_object(
      'listingId', source -> 'listingMapId',
      'marker', source -> 'customerUserId',
      'currency', source -> 'currency',
      'isCancelled', status = 'cancelled',
      'fields', source - array['id', 'listingMapId', 'channelId', 'channelName', 'customerUserId', 'status',
        'isDatesUnspecified', 'currency']
    )
    where origin = 'tvl' and external_id = 'tvl-' || id
  `.execute(db)
}
