import type { FastifyInstance } from 'fastify'
import type { Transaction } from 'kysely'
import type { ConnectionStatus, Database, DeadLetterRow } from './db/tables.ts'
import type { AppError } from './errors.ts'
import type { QueueName, WorkName } from './telemetry/metrics.ts'

/** Work that comes again and again, in one process at a time. Safe to repeat; what it did it logs itself. */
export type Sweep = {
  name: string
  everyMs: number
  run: () => Promise<void>
  /** Whether the age of its last success is shown as the progress of the upkeep. */
  showsProgress?: boolean
}

/** What a queue's jobs of one name are and how one is worked on. A payload holds ids only. */
export type Job<Payload extends Record<string, string> = Record<string, string>> = {
  queue: QueueName
  name: string
  /** Reads the payload; undefined where it is none. */
  parse(data: unknown): Payload | undefined
  /** Does the work, safely repeatable; what it resolves to is logged. */
  run(payload: Payload): Promise<string>
  /** Keeps the job as a dead letter, in one transaction with whatever else marks its subject as failed. */
  deadLetter(failure: FailedJob<Payload>): Promise<void>
  /** Jobs of another name that hold several payloads, each worked on as if it had a job of its own. */
  batch?: Batch<Payload>
}

export type Batch<Payload> = {
  name: string
  /** Undefined where the data hold no batch. */
  parse(data: unknown): Payload[] | undefined
  /** Gives those that are not done a job of their own. */
  requeue(data: unknown, left: Requeued<Payload>[]): Promise<void>
}

/** `attemptsBefore` counts the attempts that were made already. */
export type Requeued<Payload> = { payload: Payload; delayMs: number; attemptsBefore: number }

export type FailedJob<Payload> = {
  job: string
  payload: Payload
  error: AppError
  attempts: number
}

/** Work that processes take from the database by themselves; leases keep them apart. */
export type Loop = {
  name: WorkName
  /** How many run in one process. */
  parallel: number
  idleMs: number
  /** Does one piece of work; false where there is none. */
  run: () => Promise<boolean>
}

export type ConnectionId = { id: string; tenantId: string }

/** What waits for a connection; the oldest stored webhook that has not ended, in seconds. */
export type ConnectionBacklog = {
  webhooks: number
  oldestWebhookSeconds: number
  pendingDays: number
  failedDays: number
  driftedDays: number
}

/** What a folder does, and knows, about a connection of which lower folders decide. */
export type ConnectionReactions<Deps> = {
  /** In the transaction that changes the status. */
  statusChanged?: (
    trx: Transaction<Database>,
    connection: ConnectionId,
    change: { from: ConnectionStatus; to: ConnectionStatus },
  ) => Promise<void>
  /** In the transaction that connects to another account: what belongs to the old one is forgotten. */
  accountChanged?: (trx: Transaction<Database>, connectionId: string) => Promise<void>
  /** After a connection has become active or may do more; a sweep does what is left undone. */
  resumed?: (deps: Deps, connectionId: string) => Promise<void>
  backlog?: (deps: Deps, connection: ConnectionId) => Promise<Partial<ConnectionBacklog>>
}

/** How the work of a folder's dead letters is done again. */
export type Replay<Deps> = {
  /** The jobs that the dead letters name. */
  jobs: readonly string[]
  /** Makes the work due again, in the transaction that closes the dead letter; throws a Problem if it cannot run now. */
  reopen: (trx: Transaction<Database>, letter: DeadLetterRow) => Promise<void>
  /** Begins the work after the commit; a sweep does what is left undone. */
  resume?: (deps: Deps, letter: DeadLetterRow) => Promise<unknown>
}

/**
 * What a folder adds to the product. The app and the workers loop over the modules that `deps.ts` lists, so another
 * route, job, sweep or gauge touches one folder. Each function names the few of the process's resources that it takes.
 */
export type Module<Deps> = {
  name: string
  /** Mounts routes below `/v1`, whose callers have shown a token. */
  routes?: (app: FastifyInstance, deps: Deps) => Promise<void>
  /** Mounts routes at the root, which prove their callers themselves. */
  publicRoutes?: (app: FastifyInstance, deps: Deps) => Promise<void>
  jobs?: (deps: Deps) => Job[]
  loops?: (deps: Deps) => Loop[]
  sweeps?: (deps: Deps) => Sweep[]
  /** Sets gauges from what the database holds; called at each scrape. */
  gauges?: (deps: Deps) => Promise<void>
  reactions?: ConnectionReactions<Deps>
  replays?: Replay<Deps>[]
  /** Begins what the API does by itself once it listens; must not throw. */
  started?: (deps: Deps, stopping: AbortSignal) => void
}
