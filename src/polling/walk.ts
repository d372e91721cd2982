import type { ReservationPage } from '../channels/contract/channel.ts'
import type { Reservation } from '../channels/contract/reservation.ts'
import type { Walk } from '../platform/db/history-tables.ts'
import { AppError } from '../platform/errors.ts'

export type { Walk } from '../platform/db/history-tables.ts'

/** `again`: the page is of no use, ask once more with the walk given here. */
export type Step =
  | { walk: Walk; again: true }
  | { walk: Walk; again: false; take: Reservation[]; ended: boolean }

// More than one, because the last reservation of a page may change or go before the next page is asked for.
const cursorsKept = 5
const maxRestarts = 3

/** The beginning of a reading, newest change first, down to what last changed at `downTo`; null: to the end. */
export function startWalk(downTo: Date | null): Walk {
  return {
    downTo: downTo?.toISOString() ?? null,
    newestSeen: null,
    cursors: [],
    skipped: 0,
    cursorAt: null,
    rows: 0,
    restarts: 0,
  }
}

/** The reservation behind which the next page begins; undefined for the first page. */
export function cursorOf(walk: Walk): string | undefined {
  return walk.cursors[walk.skipped]
}

/**
 * Takes the page that was asked for behind `cursorOf`. A reservation that changed meanwhile is at the top of the list
 * now, and the page behind it begins there; one that is gone may have nothing behind it. Both show in the page, and
 * another of the last reservations is asked for instead. Where none of them helps, the list is read again from its top:
 * that repeats rows, and leaves none out. Pure; throws `malformed_response` where even that leads nowhere.
 */
export function takePage(walk: Walk, page: ReservationPage): Step {
  const skipped = new Set(walk.cursors.slice(0, walk.skipped))
  const rows = page.reservations.filter((row) => !skipped.has(row.id) || isNewer(row, walk))
  const mayAskAgain = walk.skipped + 1 < walk.cursors.length
  // The total cannot show the end: reservations come and go meanwhile.
  const isEmpty = page.reservations.length === 0
  if (mayAskAgain && (isEmpty || hasMoved(walk, rows))) {
    return { walk: { ...walk, skipped: walk.skipped + 1 }, again: true }
  }
  if (isEmpty && walk.cursors.length > 1) return { walk: fromTheTop(walk), again: true }
  const { downTo } = walk
  const isNewEnough = ({ updatedOn }: Reservation) =>
    downTo === null || updatedOn === undefined || updatedOn.toISOString() >= downTo
  const newest = rows.reduce<string | null>((found, row) => later(found, isoOf(row)), null)
  return {
    again: false,
    take: rows.filter(isNewEnough),
    ended: page.last || !rows.every(isNewEnough),
    walk: {
      ...walk,
      newestSeen: walk.rows === 0 ? newest : walk.newestSeen,
      cursors: page.reservations
        .slice(-cursorsKept)
        .map(({ id }) => id)
        .reverse(),
      skipped: 0,
      cursorAt: isoOf(page.reservations.at(-1)),
      rows: walk.rows + rows.length + page.unreadable,
    },
  }
}

// Once or twice is bad luck; a list that never continues is malformed.
function fromTheTop(walk: Walk): Walk {
  if (walk.restarts === maxRestarts) {
    throw new AppError(
      'malformed_response',
      'The list of reservations continues behind none of its last ones',
      { status: 200 },
    )
  }
  return { ...walk, cursors: [], skipped: 0, cursorAt: null, restarts: walk.restarts + 1 }
}

function hasMoved(walk: Walk, [first]: Reservation[]): boolean {
  return first !== undefined && isNewer(first, walk)
}

function isNewer(row: Reservation, { cursorAt }: Walk): boolean {
  const at = isoOf(row)
  return cursorAt !== null && at !== null && at > cursorAt
}

function isoOf(row: Reservation | undefined): string | null {
  return row?.updatedOn?.toISOString() ?? null
}

function later(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}
