import type { Database } from './tables.ts'

type SealedColumnOf<Table> = Extract<keyof Table, `${string}_sealed`>
/** The tables with sealed columns, as the types of the tables know them. */
export type SealedTable = {
  [Name in keyof Database]: SealedColumnOf<Database[Name]> extends never ? never : Name
}[keyof Database]

/**
 * Every column that holds what the vault sealed, for those who re-seal it. A sealed column is named `*_sealed` and
 * sealed for its table, its name and the `id` of its row. One that is missing here does not compile.
 */
const sealedColumns: { [Name in SealedTable]: Record<SealedColumnOf<Database[Name]>, true> } = {
  hostaway_connections: {
    api_key_sealed: true,
    access_token_sealed: true,
    webhook_login_sealed: true,
    webhook_password_sealed: true,
    webhook_hmac_secret_sealed: true,
    webhook_next_credentials_sealed: true,
    webhook_former_secrets_sealed: true,
  },
}

export const sealedTables = Object.entries(sealedColumns).map(([table, columns]) => ({
  table: table as SealedTable,
  columns: Object.keys(columns),
}))
