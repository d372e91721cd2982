import pg from 'pg'

/** Locks of this process against all others, held by a connection of their own while no transaction is open. */
export type Locks = {
  /**
   * Runs work while no other process, and no other work of this one, holds the lock of that name; undefined where one
   * does. The lock ends with the work, or with the connection of a process that dies.
   */
  tryWith<Result>(name: string, work: () => Promise<Result>): Promise<{ result: Result } | undefined>
  close(): Promise<void>
}

type LockStatement = 'pg_try_advisory_lock' | 'pg_advisory_unlock'
type LockOptions = {
  url: string
  onError: (error: Error) => void
  /** A statement, or a new connection, that takes longer has failed. */
  timeoutMs?: number
}

/** A connection and how many locks of this process it may hold; a lost one gets no further locks. */
type Session = {
  client: pg.Client
  locks: number
  isLost: boolean
  lose(): void
  /** It takes one statement at a time. */
  previous: Promise<unknown>
}

const defaultTimeoutMs = 5_000

/**
 * Connects with the first lock, and again after the connection broke or no longer answers; one connection holds all
 * locks of the process. One that is given up keeps the locks that its work still needs, and ends with the last of them.
 */
export function createLocks({ url, onError, timeoutMs = defaultTimeoutMs }: LockOptions): Locks {
  // A session may take a lock twice, so the process keeps its own works apart.
  const held = new Set<string>()
  let opening: Promise<Session> | undefined

  function connected(): Promise<Session> {
    if (opening !== undefined) return opening
    const forget = () => {
      if (opening === mine) opening = undefined
    }
    const mine = connect({ url, onError, timeoutMs }, forget)
    mine.catch(forget)
    opening = mine
    return mine
  }

  function ask(session: Session, statement: LockStatement, name: string): Promise<boolean> {
    const asked = session.previous.then(() => query(session, statement, name))
    session.previous = asked.catch(() => undefined)
    return asked
  }

  async function query(session: Session, statement: LockStatement, name: string): Promise<boolean> {
    try {
      const { rows } = await session.client.query<{ done: boolean }>(
        `select ${statement}(hashtextextended($1, 0)) as done`,
        [name],
      )
      return rows[0]?.done === true
    } catch (error) {
      // It may hang for long without breaking, while a new one would work.
      session.lose()
      throw error
    }
  }

  // An unlock that fails or is late needs no other try: the server runs it, or has lost the connection and the lock.
  async function release(session: Session, name: string): Promise<void> {
    const endsAnyway = session.isLost && session.locks === 1
    if (!endsAnyway) await ask(session, 'pg_advisory_unlock', name).catch(() => undefined)
    leave(session, name)
  }

  function leave(session: Session, name: string): void {
    session.locks -= 1
    held.delete(name)
    if (session.isLost && session.locks === 0) session.client.end().catch(() => undefined)
  }

  async function take(name: string): Promise<Session | undefined> {
    if (held.has(name)) return undefined
    held.add(name)
    const session = await connected().catch((error: unknown) => {
      held.delete(name)
      throw error
    })
    session.locks += 1
    try {
      if (await ask(session, 'pg_try_advisory_lock', name)) return session
    } catch (error) {
      // A late answer may still have taken it.
      await release(session, name)
      throw error
    }
    leave(session, name)
    return undefined
  }

  return {
    async tryWith(name, work) {
      const session = await take(name)
      if (session === undefined) return undefined
      try {
        return { result: await work() }
      } finally {
        await release(session, name)
      }
    },
    async close() {
      const session = await opening?.catch(() => undefined)
      opening = undefined
      await session?.client.end().catch(() => undefined)
    },
  }
}

async function connect(
  { url, onError, timeoutMs }: Required<LockOptions>,
  forget: () => void,
): Promise<Session> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'hostaway-locks',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    keepAlive: true,
  })
  const session: Session = {
    client,
    locks: 0,
    isLost: false,
    lose() {
      session.isLost = true
      forget()
    },
    previous: Promise.resolve(),
  }
  client.on('error', (error) => {
    session.lose()
    onError(error)
  })
  client.on('end', () => session.lose())
  await client.connect()
  return session
}
