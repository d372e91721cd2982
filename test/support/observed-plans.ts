import { type CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import { openPool } from '../../src/platform/db/database.ts'
import type { Database } from '../../src/platform/db/tables.ts'
import { type EndsLater, lastFirst } from './after-all.ts'
import { createTestDatabase } from './test-database.ts'

export type Plan = {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: Plan[]
}

/** A database of its own whose queries show how the server answers them; ends with the test context. */
export async function observePlans(context: EndsLater, applicationName: string) {
  const observed = lastFirst(context)
  const url = await createTestDatabase(observed)
  const pool = openPool({ url, maxConnections: 2, applicationName })
  const asked: CompiledQuery[] = []
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool }),
    log: ({ level, query }) => {
      if (level === 'query') asked.push(query)
    },
  })
  observed.after(() => db.destroy())

  /** The plans of everything that a question asks the database. */
  async function plansOf(ask: () => Promise<unknown>): Promise<Array<{ text: string; plan: Plan }>> {
    asked.length = 0
    await ask()
    const plans: Array<{ text: string; plan: Plan }> = []
    for (const { sql: text, parameters } of asked.filter(hasPlan)) {
      const { rows } = await pool.query(`explain (analyze, format json) ${text}`, [...parameters])
      plans.push({ text, plan: rows[0]['QUERY PLAN'][0].Plan })
    }
    return plans
  }

  return { db, plansOf }
}

function hasPlan({ sql: text }: CompiledQuery): boolean {
  return !/^(begin|commit|rollback)/.test(text)
}

/** A plan with everything below it. */
export function stepsOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(stepsOf)]
}

/** How many rows a step has looked at. */
export function touched(step: Plan): number {
  return (step['Actual Rows'] + (step['Rows Removed by Filter'] ?? 0)) * step['Actual Loops']
}
