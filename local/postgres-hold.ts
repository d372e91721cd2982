import { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'

const looksAtOthers = 5
const lookAgainMs = 100

const lockKey = "hashtext('processes that use this server')"
const answerWithinMs = 5_000

/** A connection that tells other processes of this project that the server is in use. It goes with its process, so a killed one leaves no trace that would have to be cleaned up. */
export type PostgresHold = {
  /** Whether no other process used the server when this one came. */
  alone: boolean
  /** Whether the connection broke, as it does when the server ends. */
  isLost(): boolean
  /** Gives the hold up. `last`: no other process uses the server, and none can begin to until the server or this process has ended. `lost`: the connection was gone already. */
  leave(): Promise<'last' | 'others remain' | 'lost'>
}

/** Takes hold of a running server; throws when it does not answer with the given address (not running, starting, stopping, not ours). */
export async function takeHold(url: string): Promise<PostgresHold> {
  const socket = new Socket()
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: answerWithinMs,
    application_name: 'embedded-postgres-hold',
    stream: () => socket,
  })
  let lost = false
  client.on('error', () => {
    lost = true
  })
  client.on('end', () => {
    lost = true
  })
  const ask = async (call: string): Promise<boolean> => {
    const result = await client.query<{ answer: boolean | null }>(`select ${call}(${lockKey}) as answer`)
    return result.rows[0]?.answer === true
  }
  const close = () => client.end().catch(() => {})

  let alone: boolean
  try {
    await client.connect()
    alone = await ask('pg_try_advisory_lock')
    // Waits while another process is ending the server, and fails when it has.
    await ask('pg_advisory_lock_shared')
    if (alone) await ask('pg_advisory_unlock')
  } catch (error) {
    socket.destroy()
    throw error
  }
  // A program that has nothing else to do may end although it never gave the hold up.
  socket.unref()

  return {
    alone,
    isLost: () => lost,
    async leave() {
      if (lost) return 'lost'
      socket.ref()
      try {
        await ask('pg_advisory_unlock_shared')
        // The server may not have noticed yet that another process was killed.
        for (let look = 0; look < looksAtOthers; look += 1) {
          if (look > 0) await pause(lookAgainMs)
          // The connection stays open: its lock keeps newcomers out until the server ends.
          if (await ask('pg_try_advisory_lock')) return 'last'
        }
      } catch {
        return 'lost'
      }
      await close()
      return 'others remain'
    },
  }
}

/** Creates a database unless it exists. Safe to run at the same time as another. */
export async function ensureDatabase(url: string, name: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: answerWithinMs })
  client.on('error', () => {})
  await client.connect()
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [name])
    if (found.rowCount === 0) await client.query(`create database "${name}"`)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== '42P04' && code !== '23505') throw error
  } finally {
    await client.end()
  }
}

/** Whether a server answers to this address, password included. */
export async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: answerWithinMs })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
