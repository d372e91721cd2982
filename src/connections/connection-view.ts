import type { Kysely } from 'kysely'
import { type Static, type TProperties, Type } from 'typebox'
import type { Database } from '../platform/db/tables.ts'
import { connectionStatuses } from '../platform/telemetry/metrics.ts'
import { type ConnectionActivity, findActivities } from './connection-activity-store.ts'
import { type Connection, type SyncPart, syncParts } from './connection-store.ts'

const nullableTime = Type.Union([Type.String(), Type.Null()])

const SyncSetting = Type.Object({
  enabled: Type.Boolean(),
  cron: Type.String({ description: 'When it runs by schedule, in UTC.' }),
})

/** One property per part that is kept in step. */
export function perSyncPart<Property extends TProperties[string]>(property: (part: SyncPart) => Property) {
  return Object.fromEntries(syncParts.map((part) => [part, property(part)])) as Record<SyncPart, Property>
}

/** A connection as every answer shows it; nothing in it is secret but `webhook.secret`. */
export const ConnectionView = Type.Object(
  {
    id: Type.String(),
    tenant: Type.String(),
    channel: Type.String(),
    accountId: Type.String(),
    status: Type.Enum([...connectionStatuses]),
    statusReason: Type.Union([Type.String(), Type.Null()]),
    disconnecting: Type.Boolean({
      description:
        'Disconnected, but the channel has not answered yet: the webhook and our secrets are removed once it does.',
    }),
    autoImport: Type.Boolean(),
    autoMapListings: Type.Boolean(),
    webhookAuth: Type.Enum(['basic', 'hmac', 'basic+hmac']),
    alertingEmailAddress: Type.Union([Type.String(), Type.Null()]),
    webhook: Type.Object({
      id: Type.Union([
        Type.String({ description: 'The channel’s id of the registered webhook.' }),
        Type.Null(),
      ]),
      url: Type.String(),
      secret: Type.Optional(
        Type.String({ description: 'The HMAC secret, if it was made here. Shown in this answer only.' }),
      ),
    }),
    sync: Type.Object(perSyncPart(() => SyncSetting)),
    rateLimit: Type.Union([
      Type.Object({ rpm: Type.Integer(), burst: Type.Integer() }),
      Type.Null({ description: 'The limits of the installation.' }),
    ]),
    import: Type.Union(
      [
        Type.Object({
          id: Type.String(),
          status: Type.Enum(['running', 'completed', 'failed', 'cancelled']),
        }),
        Type.Null(),
      ],
      { description: 'The newest import of its history.' },
    ),
    lastInboundAt: nullableTime,
    lastSyncAt: Type.Union([Type.String(), Type.Null()], {
      description: 'When all changes of reservations at the channel were last read.',
    }),
    keySetAt: Type.String(),
    createdAt: Type.String(),
  },
  { title: 'Connection' },
)

/** The schedules of connections that have none of their own. */
export type DefaultCrons = Record<SyncPart, string>

/** Looks up what happened last on connections, to show them; `webhookSecret` only in the one answer that may show it. */
export async function connectionsShown(
  db: Kysely<Database>,
  crons: DefaultCrons,
  connections: Connection[],
): Promise<(connection: Connection, webhookSecret?: string) => Static<typeof ConnectionView>> {
  const activities = await findActivities(
    db,
    connections.map(({ id }) => id),
  )
  return (connection, webhookSecret) =>
    toConnectionView(connection, activities.get(connection.id), crons, webhookSecret)
}

/** Shows one connection. */
export async function showConnection(
  db: Kysely<Database>,
  crons: DefaultCrons,
  connection: Connection,
  webhookSecret?: string,
): Promise<Static<typeof ConnectionView>> {
  const show = await connectionsShown(db, crons, [connection])
  return show(connection, webhookSecret)
}

function toConnectionView(
  connection: Connection,
  activity: ConnectionActivity | undefined,
  crons: DefaultCrons,
  webhookSecret: string | undefined,
): Static<typeof ConnectionView> {
  const { perMinute, burst } = connection.rateLimit
  const settingOf = (part: SyncPart) => ({
    enabled: connection.sync[part].enabled,
    cron: connection.sync[part].cron ?? crons[part],
  })
  return {
    id: connection.id,
    tenant: connection.tenantSlug,
    channel: connection.channel,
    accountId: connection.accountId,
    status: connection.status,
    statusReason: connection.statusReason,
    disconnecting: connection.disconnectingSince !== null,
    autoImport: connection.autoImport,
    autoMapListings: connection.autoMapListings,
    webhookAuth: connection.webhookAuth,
    alertingEmailAddress: connection.alertingEmailAddress,
    webhook: {
      id: connection.webhookExternalId,
      url: connection.webhookUrl,
      ...(webhookSecret === undefined ? {} : { secret: webhookSecret }),
    },
    sync: {
      availability: settingOf('availability'),
      pricing: settingOf('pricing'),
      listings: settingOf('listings'),
      reconcile: settingOf('reconcile'),
    },
    rateLimit: perMinute === null ? null : { rpm: perMinute, burst: burst ?? perMinute },
    import: activity?.newestImport ?? null,
    lastInboundAt: activity?.lastInboundAt?.toISOString() ?? null,
    lastSyncAt: connection.lastSyncAt?.toISOString() ?? null,
    keySetAt: connection.keySetAt.toISOString(),
    createdAt: connection.createdAt.toISOString(),
  }
}
