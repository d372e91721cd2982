import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { endWithParent } from './end-with-parent.ts'
import { freePort } from './free-port.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'
import { ensureCluster, postgresUser, readPassword } from './postgres-cluster.ts'
import { answers, ensureDatabase, type PostgresHold, takeHold } from './postgres-hold.ts'
import { findPlace, type PostgresPlace, preparePlace, removePlace } from './postgres-place.ts'
import { endPostgres, launchPostgres, readServerFile, sendSignal } from './postgres-server.ts'

const databaseName = 'hostaway'
const giveUpAfterMs = 30_000

export type EmbeddedPostgresOptions = {
  /** Folder for the data; a temporary one is made in the system's temporary folder when it is left out. */
  dataDir?: string
  /** The data is removed on stop, and server and data do not outlive this process however it ends. */
  temporary?: boolean
  /** A fixed port; otherwise a free one is chosen. */
  port?: number
  /** PostgreSQL settings; they have no effect on a server that was running already. */
  settings?: Record<string, string>
  log?: (line: string) => void
}

export type EmbeddedPostgres = {
  url: string
  port: number
  pid: number
  /** Whether the server was running before this call. */
  adopted: boolean
  stop(): Promise<void>
}

type Running = { hold: PostgresHold; port: number; pid: number; adopted: boolean; password: string }

/** Runs a PostgreSQL of the project's own on 127.0.0.1, with its data in `dataDir`, and creates the database `hostaway`. A server that already runs on that data is joined: one whose process was killed is adopted, one that others use is shared. `stop` ends the server unless others still use it, never hangs, and may be called twice. Throws a sentence for the reader when it cannot run here. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const wanted = resolve(await wantedFolder(options))
  try {
    return await startIn(wanted, options)
  } catch (error) {
    if (options.temporary) await rm(wanted, { recursive: true, force: true })
    throw error
  }
}

/** The server that another process runs on this data, if one answers. It is not held: it ends when that process ends it. */
export async function findRunningPostgres(
  dataDir: string,
): Promise<{ url: string; port: number; pid: number } | undefined> {
  const place = await findPlace(dataDir)
  const [password, file] = await Promise.all([readPassword(place), readServerFile(place.data)])
  if (password === undefined || file === undefined || !file.ready) return undefined
  const url = address(password, file.port, databaseName)
  return (await answers(url)) ? { url, port: file.port, pid: file.pid } : undefined
}

async function startIn(wanted: string, options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const temporary = options.temporary ?? false
  const log = options.log ?? (() => {})
  const place = await preparePlace(wanted)
  const binaries = await findPostgresBinaries(place.account)
  await ensureCluster(binaries, place, { durable: !temporary })
  const { hold, port, pid, adopted, password } = await joinOrLaunch(binaries, place, options)
  if (adopted) log(`Using the PostgreSQL that already runs on port ${port} (pid ${pid}).`)

  const release = temporary ? endWithParent(pid, place.folder) : undefined
  // Others may still be using a server that this process only joined.
  const endAtExit = () => {
    if (!hold.isLost() && (!adopted || hold.alone)) sendSignal(pid, 'SIGINT')
  }
  process.on('exit', endAtExit)

  const stopOnce = async () => {
    const left = await hold.leave()
    process.off('exit', endAtExit)
    if (left === 'others remain') {
      log('Left PostgreSQL running: another process uses it.')
      return
    }
    const stillOurs = left === 'last' || (await readServerFile(place.data))?.pid === pid
    if (stillOurs) await endPostgres(pid, place.data)
    if (temporary) await removePlace(wanted, place)
    release?.()
  }
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= stopOnce()
    return stopping
  }

  try {
    await ensureDatabase(address(password, port, 'postgres'), databaseName)
  } catch (error) {
    await stop()
    throw error
  }
  return { url: address(password, port, databaseName), port, pid, adopted, stop }
}

async function wantedFolder(options: EmbeddedPostgresOptions): Promise<string> {
  if (options.dataDir !== undefined) return options.dataDir
  if (options.temporary) {
    const folder = await mkdtemp(join(tmpdir(), 'hostaway-postgres-'))
    await chmod(folder, 0o711)
    return folder
  }
  throw new Error('An embedded PostgreSQL that is to be kept needs a folder for its data.')
}

async function joinOrLaunch(
  binaries: string,
  place: PostgresPlace,
  options: EmbeddedPostgresOptions,
): Promise<Running> {
  const password = await readPassword(place)
  if (password === undefined) throw new Error(`The database in ${place.folder} has lost its password file.`)
  const started = Date.now()
  let launched: number | undefined
  let lastError: unknown
  while (Date.now() - started < giveUpAfterMs) {
    const file = await readServerFile(place.data)
    if (file?.ready) {
      try {
        const hold = await takeHold(address(password, file.port, 'postgres'))
        return { hold, port: file.port, pid: file.pid, adopted: file.pid !== launched, password }
      } catch (error) {
        lastError = error
      }
    }
    const port = options.port ?? (await freePort())
    const launch = await launchPostgres(binaries, place, port, options.settings ?? {})
    if (launch.outcome === 'ready') launched = launch.pid
    if (launch.outcome === 'port taken' && options.port !== undefined) {
      throw new Error(`PostgreSQL cannot listen on port ${port}: another program does. Choose another port.`)
    }
    if (launch.outcome === 'data held') {
      await removeStrangersFile(place)
      await pause(100)
    }
  }
  throw new Error(
    `The PostgreSQL in ${place.folder} is held by a server that does not answer. See ${place.logFile}.`,
    { cause: lastError },
  )
}

/** After a restart of the machine, the pid in a file that was left behind may belong to any program; PostgreSQL then believes that it still runs. */
async function removeStrangersFile(place: PostgresPlace): Promise<void> {
  const file = await readServerFile(place.data)
  if (file === undefined) return
  const name = await programName(file.pid)
  if (name === undefined || name.includes('postgres')) return
  const again = await readServerFile(place.data)
  if (again?.text === file.text) await rm(join(place.data, 'postmaster.pid'), { force: true })
}

async function programName(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') return await readFile(`/proc/${pid}/comm`, 'utf8')
    const { stdout } = await promisify(execFile)('ps', ['-o', 'comm=', '-p', String(pid)])
    return stdout
  } catch {
    return undefined
  }
}

function address(password: string, port: number, database: string): string {
  return `postgres://${postgresUser}:${password}@127.0.0.1:${port}/${database}`
}
