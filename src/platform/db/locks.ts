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
type LockOptions = { url: string; onError: (error: Error) => void }

const queryTimeoutMs = 5_000

/** Connects with the first lock, and again after the connection broke; one connection holds all locks of the process. */
export function createLocks({ url, onError }: LockOptions): Locks {
  // A session may take a lock twice, so the process keeps its own works apart.
  const held = new Set<string>()
  let opening: Promise<pg.Client> | undefined
  let previous: Promise<unknown> = Promise.resolve()

  function connected(): Promise<pg.Client> {
    if (opening !== undefined) return opening
    const forget = () => {
      if (opening === mine) opening = undefined
    }
    const mine = connect({ url, onError }, forget)
    mine.catch(forget)
    opening = mine
    return mine
  }

  // A connection takes one statement at a time.
  function ask(statement: LockStatement, name: string): Promise<boolean> {
    const asked = previous.then(() => query(statement, name))
    previous = asked.catch(() => undefined)
    return asked
  }

  async function query(statement: LockStatement, name: string): Promise<boolean> {
    const client = await connected()
    const { rows } = await client.query<{ done: boolean }>(
      `select ${statement}(hashtextextended($1, 0)) as done`,
      [name],
    )
    return rows[0]?.done === true
  }

  // An unlock that fails or is late needs no other try: the server runs it, or has lost the connection and the lock.
  async function release(name: string): Promise<void> {
    await ask('pg_advisory_unlock', name).catch(() => undefined)
    held.delete(name)
  }

  async function take(name: string): Promise<boolean> {
    if (held.has(name)) return false
    held.add(name)
    try {
      const isTaken = await ask('pg_try_advisory_lock', name)
      if (!isTaken) held.delete(name)
      return isTaken
    } catch (error) {
      // A late answer may still have taken it.
      await release(name)
      throw error
    }
  }

  return {
    async tryWith(name, work) {
      if (!(await take(name))) return undefined
      try {
        return { result: await work() }
      } finally {
        await release(name)
      }
    },
    async close() {
      const client = await opening?.catch(() => undefined)
      opening = undefined
      await client?.end().catch(() => undefined)
    },
  }
}

async function connect({ url, onError }: LockOptions, onLost: () => void): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'hostaway-locks',
    connectionTimeoutMillis: queryTimeoutMs,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
  })
  client.on('error', (error) => {
    onLost()
    onError(error)
  })
  client.on('end', onLost)
  await client.connect()
  return client
}
