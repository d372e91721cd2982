import type { Kysely } from 'kysely'
import type { Database, DeadLetterRow } from '../platform/db/tables.ts'
import { Problem } from '../platform/http/problems.ts'
import type { Module, Replay } from '../platform/module.ts'
import { type DeadLetterFilter, listDeadLetters, markReplayed } from './dead-letter-store.ts'

/** How the jobs of all modules are replayed, by the names of the jobs. */
export type Replays = ReadonlyMap<string, { reopen: Replay<never>['reopen']; resume: ResumeJob }>

type ResumeJob = (letter: DeadLetterRow) => Promise<unknown>

export type ReplayDeps = { db: Kysely<Database>; replays: Replays }

const pageRows = 200

/** The replays of modules by job; `deps` gives what the modules are given. */
export function bindReplays<Deps>(modules: readonly Module<Deps>[], deps: () => Deps): Replays {
  const replays = modules.flatMap((module) => module.replays ?? [])
  return new Map(
    replays.flatMap(({ jobs, reopen, resume }) =>
      jobs.map((job) => [job, { reopen, resume: async (letter: DeadLetterRow) => resume?.(deps(), letter) }]),
    ),
  )
}

/**
 * Lets the job of a dead letter run again; false if it was replayed or discarded already. The row and what it is about
 * change in one transaction, and the sweep enqueues what the queue does not take now. Throws a Problem where the job
 * cannot run now; the letter stays open.
 */
export async function replayDeadLetter({ db, replays }: ReplayDeps, letter: DeadLetterRow): Promise<boolean> {
  const replay = replays.get(letter.job)
  if (replay === undefined) throw new Error(`no module replays the job ${letter.job}`)
  const isReplayed = await db.transaction().execute(async (trx) => {
    if (!(await markReplayed(trx, letter.id))) return false
    await replay.reopen(trx, letter)
    return true
  })
  if (isReplayed) await replay.resume(letter)
  return isReplayed
}

/**
 * Replays every open dead letter that matches and was there when it began, but those that cannot run now; returns how
 * many it replayed itself.
 */
export async function replayAll(
  deps: ReplayDeps,
  filter: Omit<DeadLetterFilter, 'status' | 'limit' | 'before'>,
): Promise<number> {
  let count = 0
  let before: string | undefined
  for (;;) {
    // Backwards through the ids, so that a letter that fails again meanwhile is not met twice.
    const page = await listDeadLetters(deps.db, { ...filter, status: 'open', before, limit: pageRows })
    for (const letter of page.slice(0, pageRows)) {
      if (await replayDeadLetter(deps, letter).catch(falseIfNotNow)) count += 1
      before = letter.id
    }
    if (page.length <= pageRows) return count
  }
}

function falseIfNotNow(error: unknown): false {
  if (!(error instanceof Problem)) throw error
  return false
}
