import { randomUUID } from 'node:crypto'
import { chmod, chown, link, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { choosePostgresAccount, type PostgresAccount, tryAsAccount } from './postgres-account.ts'
import { makeSharedFolder, sharedFolder } from './postgres-binaries.ts'

const noteName = 'kept-elsewhere.txt'

type Note = { folder: string; who: string; writtenFor: string }

/** Where one embedded server lives: its folder, the cluster and password inside it, and the account that may use them. */
export type PostgresPlace = {
  folder: string
  data: string
  passwordFile: string
  logFile: string
  account: PostgresAccount
}

/** The place that belongs to the wanted folder, without creating anything. */
export async function findPlace(wanted: string): Promise<PostgresPlace> {
  const folder = (await readNote(resolve(wanted)))?.folder ?? resolve(wanted)
  return placeIn(folder, await choosePostgresAccount(join(folder, 'cluster', 'data')))
}

/** Creates the place for the wanted folder. Where PostgreSQL's account cannot enter that folder, the data is kept in one it can, and a note says where. Safe to call again and by several processes at once. */
export async function preparePlace(wanted: string): Promise<PostgresPlace> {
  const created = await mkdir(resolve(wanted), { recursive: true })
  // PostgreSQL's account has to pass through; the cluster inside is closed to all others.
  if (created !== undefined) await chmod(resolve(wanted), 0o711)
  await renewNote(resolve(wanted))
  const place = await findPlace(wanted)
  if (await canUse(place)) return place
  const { account, folder } = place
  const who = account?.name ?? 'this account'
  if (account === undefined || (await exists(place.data)) || folder !== resolve(wanted)) {
    throw new Error(
      `The database in ${folder} cannot be used by ${who}: it belongs to another account, or a folder above it is closed. Start as its owner or as root, open the folders above it, or set DATABASE_URL.`,
    )
  }
  const elsewhere = placeIn(await claimElsewhere(folder, who), account)
  await makeSharedFolder()
  const made = await mkdir(elsewhere.folder, { recursive: true })
  if (made !== undefined) await chmod(elsewhere.folder, 0o711)
  if (await canUse(elsewhere)) return elsewhere
  throw new Error(
    `PostgreSQL has to run as ${who}, which can keep data neither in ${folder} nor in ${elsewhere.folder}. Start as another user, or set DATABASE_URL.`,
  )
}

/** Removes the place and the wanted folder. */
export async function removePlace(wanted: string, place: PostgresPlace): Promise<void> {
  await rm(place.folder, { recursive: true, force: true })
  await rm(wanted, { recursive: true, force: true })
}

/** Gives a file or folder to the account that PostgreSQL runs as. */
export async function handTo(account: PostgresAccount, path: string): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid)
}

function placeIn(folder: string, account: PostgresAccount): PostgresPlace {
  return {
    folder,
    data: join(folder, 'cluster', 'data'),
    passwordFile: join(folder, 'cluster', 'password'),
    logFile: join(folder, 'server.log'),
    account,
  }
}

/** Tried as the account itself: mode bits alone do not tell about closed parents, access lists or read-only mounts. */
async function canUse(place: PostgresPlace): Promise<boolean> {
  if (await exists(place.data)) {
    const trial = await tryAsAccount(place.account, 'cat "$1/PG_VERSION" && test -w "$1"', place.data)
    return trial.succeeded
  }
  const probe = await mkdtemp(join(place.folder, 'probe-')).catch(() => undefined)
  if (probe === undefined) return false
  try {
    await handTo(place.account, probe)
    return (await tryAsAccount(place.account, 'cd "$1" && : >"$1/file"', probe)).succeeded
  } finally {
    await rm(probe, { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    // A folder that exists but is closed to us is still there.
    return (error as NodeJS.ErrnoException).code === 'EACCES'
  }
}

/** Leaves the note that names the other folder. When two processes come here at once, both get the folder of the first. */
async function claimElsewhere(wanted: string, who: string): Promise<string> {
  const folder = join(sharedFolder, `data-${randomUUID()}`)
  const note = join(wanted, noteName)
  if ((await readNote(wanted)) === undefined) await rm(note, { force: true })
  const draft = await draftNote(wanted, { folder, who, writtenFor: wanted })
  try {
    await link(draft, note)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft)
  }
  return (await readNote(wanted))?.folder ?? folder
}

/** A project that was moved takes its data along, and from then on is no longer mistaken for a copy. */
async function renewNote(wanted: string): Promise<void> {
  const note = await readNote(wanted)
  if (note === undefined || note.writtenFor === wanted) return
  await rename(await draftNote(wanted, { ...note, writtenFor: wanted }), join(wanted, noteName))
}

async function draftNote(wanted: string, { folder, who, writtenFor }: Note): Promise<string> {
  const draft = join(wanted, `${noteName}.${randomUUID()}`)
  const lines = [
    'The database of this folder is kept in',
    folder,
    'because this account cannot createConnection it:',
    who,
  ]
  await writeFile(draft, [...lines, 'This folder is', writtenFor, ''].join('\n'))
  return draft
}

async function readNote(wanted: string): Promise<Note | undefined> {
  const text = await readFile(join(wanted, noteName), 'utf8').catch(() => undefined)
  const [, folder, , who, , writtenFor] = text?.split('\n') ?? []
  if (folder === undefined || who === undefined || writtenFor === undefined) return undefined
  const note = { folder, who, writtenFor }
  if (writtenFor === wanted) return note
  // A copy of a project that is still there gets data of its own.
  const original = await readFile(join(writtenFor, noteName), 'utf8').catch(() => undefined)
  return original === text ? undefined : note
}
