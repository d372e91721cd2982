import { Cron } from 'croner'

/** The moments a cron expression names, in UTC. */
export type CronTimes = Pick<Cron, 'nextRun'>

/** Reads five fields, or six with seconds first; throws one clear sentence for anything else. */
export function parseCron(expression: string): CronTimes {
  try {
    return new Cron(expression, { mode: '5-or-6-parts', utcOffset: 0 })
  } catch {
    throw new Error(`"${expression}" is not a cron expression of five or six fields`)
  }
}

/** Whether `parseCron` reads it. */
export function isCron(expression: string): boolean {
  try {
    parseCron(expression)
    return true
  } catch {
    return false
  }
}

/** Whether a moment that the expression names lies after `last` and not after `now`. */
export function wasDueSince(cron: CronTimes, last: Date, now: Date): boolean {
  const next = cron.nextRun(last)
  return next !== null && next <= now
}
