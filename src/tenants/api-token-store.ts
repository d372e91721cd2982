import { createHash, randomBytes } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Database, Role } from '../platform/db/tables.ts'

export type ApiTokenOwner = {
  tokenId: string
  role: Role
  tenantId: string | null
  tenantSlug: string | null
  tokenName: string
}

/** Makes a token and keeps only its hash: what is returned here is shown once and cannot be read again. */
export async function createApiToken(
  db: Kysely<Database>,
  token: {
    tenantId: string | null
    role: Role
    name: string
    /** Undefined: never. */
    expiresInDays?: number | undefined
    /** The token that makes it: what it made ends with it. */
    createdBy?: string | null
  },
): Promise<{ id: string; token: string; expiresAt: Date | null }> {
  const secret = `tvl_${randomBytes(32).toString('base64url')}`
  const id = uuid()
  const { expiresInDays } = token
  const expiresAt = expiresInDays === undefined ? null : new Date(Date.now() + expiresInDays * 86_400_000)
  await db
    .insertInto('api_tokens')
    .values({
      id,
      tenant_id: token.tenantId,
      role: token.role,
      name: token.name,
      token_hash: hashToken(secret),
      expires_at: expiresAt,
      created_by: token.createdBy ?? null,
    })
    .execute()
  return { id, token: secret, expiresAt }
}

export async function findApiTokenOwner(
  db: Kysely<Database>,
  token: string,
): Promise<ApiTokenOwner | undefined> {
  const row = await db
    .selectFrom('api_tokens')
    .leftJoin('tenants', 'tenants.id', 'api_tokens.tenant_id')
    .select([
      'api_tokens.id as tokenId',
      'role',
      'tenant_id as tenantId',
      'tenants.slug as tenantSlug',
      'api_tokens.name as tokenName',
    ])
    .where('token_hash', '=', hashToken(token))
    .where(isInForce)
    .select(
      sql<boolean>`last_used_at is null or last_used_at < now() - interval '1 minute'`.as('isUsedAgain'),
    )
    .executeTakeFirst()
  if (row === undefined) return undefined
  const { isUsedAgain, ...owner } = row
  // By the minute: a write for every request would cost more than the request.
  if (isUsedAgain) {
    await db
      .updateTable('api_tokens')
      .set({ last_used_at: sql<Date>`now()` })
      .where('id', '=', owner.tokenId)
      .execute()
  }
  return owner
}

const isInForce = sql<boolean>`revoked_at is null and (expires_at is null or expires_at > now())`

export type ApiToken = {
  id: string
  tenant: string | null
  role: Role
  name: string
  createdAt: Date
  expiresAt: Date | null
  lastUsedAt: Date | null
  createdBy: string | null
}

/** The tokens that are in force, without what they consist of. */
export async function listApiTokens(
  db: Kysely<Database>,
  options: { tenantId: string | undefined; limit: number; after: string | undefined },
): Promise<ApiToken[]> {
  let query = db
    .selectFrom('api_tokens')
    .leftJoin('tenants', 'tenants.id', 'api_tokens.tenant_id')
    .select([
      'api_tokens.id',
      'tenants.slug as tenant',
      'role',
      'api_tokens.name',
      'api_tokens.created_at as createdAt',
      'api_tokens.expires_at as expiresAt',
      'api_tokens.last_used_at as lastUsedAt',
      'api_tokens.created_by as createdBy',
    ])
    .where(isInForce)
    .orderBy('api_tokens.id')
    .limit(options.limit + 1)
  if (options.tenantId !== undefined) query = query.where('api_tokens.tenant_id', '=', options.tenantId)
  if (options.after !== undefined) query = query.where('api_tokens.id', '>', options.after)
  return query.execute()
}

/**
 * Revokes a token within a tenant (null: any tenant), and every token that it made, directly or through others: what a
 * stolen token made must not outlive it. False if there is none. Safe to run twice.
 */
export async function revokeApiToken(
  db: Kysely<Database>,
  { id, tenantId }: { id: string; tenantId: string | null },
): Promise<boolean> {
  const { rows } = await sql`
    with recursive made as (
      select id from api_tokens where id = ${id} and revoked_at is null
        and (${tenantId}::uuid is null or tenant_id = ${tenantId}::uuid)
      union
      select child.id from api_tokens child join made on child.created_by = made.id
    )
    update api_tokens set revoked_at = now() where id in (select id from made) and revoked_at is null returning 1
  `.execute(db)
  return rows.length > 0
}

// A token is 256 random bits: a fast hash is enough, there is nothing to guess.
function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
