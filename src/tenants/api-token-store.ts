import { createHash, randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
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
  token: { tenantId: string | null; role: Role; name: string },
): Promise<{ id: string; token: string }> {
  const secret = `tvl_${randomBytes(32).toString('base64url')}`
  const id = uuid()
  await db
    .insertInto('api_tokens')
    .values({
      id,
      tenant_id: token.tenantId,
      role: token.role,
      name: token.name,
      token_hash: hashToken(secret),
    })
    .execute()
  return { id, token: secret }
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
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return row
}

export type ApiToken = {
  id: string
  tenant: string | null
  role: Role
  name: string
  createdAt: Date
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
    ])
    .where('revoked_at', 'is', null)
    .orderBy('api_tokens.id')
    .limit(options.limit + 1)
  if (options.tenantId !== undefined) query = query.where('api_tokens.tenant_id', '=', options.tenantId)
  if (options.after !== undefined) query = query.where('api_tokens.id', '>', options.after)
  return query.execute()
}

/** Revokes a token within a tenant (null: any tenant); false if there is none. Safe to run twice. */
export async function revokeApiToken(
  db: Kysely<Database>,
  scope: { id: string; tenantId: string | null },
): Promise<boolean> {
  let query = db.updateTable('api_tokens').set({ revoked_at: new Date() }).where('id', '=', scope.id)
  if (scope.tenantId !== null) query = query.where('tenant_id', '=', scope.tenantId)
  const result = await query.where('revoked_at', 'is', null).executeTakeFirst()
  return result.numUpdatedRows > 0n
}

// A token is 256 random bits: a fast hash is enough, there is nothing to guess.
function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
