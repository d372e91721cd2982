import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { asAccount } from './postgres-account.ts'
import { handTo, type PostgresPlace } from './postgres-place.ts'

const run = promisify(execFile)
const draftPrefix = 'new-cluster-'
const draftKeptMs = 10 * 60_000

/** The superuser of the embedded server. */
export const postgresUser = 'hostaway'

/** Creates the cluster and its password unless they are there. The finished cluster appears in one step, so a start that was killed half-way or another start at the same time leaves nothing broken. */
export async function ensureCluster(
  binaries: string,
  place: PostgresPlace,
  options: { durable: boolean },
): Promise<void> {
  if (await isThere(place)) return
  await removeOldDrafts(place.folder)
  const draft = await mkdtemp(join(place.folder, draftPrefix))
  try {
    await handTo(place.account, draft)
    const passwordFile = join(draft, 'password')
    await writeFile(passwordFile, randomBytes(24).toString('hex'), { mode: 0o600 })
    await handTo(place.account, passwordFile)
    await initialise(binaries, place, join(draft, 'data'), passwordFile, options.durable)
    await rename(draft, dirname(place.data))
  } catch (error) {
    if (!(await isThere(place))) throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** The password of the embedded server; `undefined` when there is no cluster yet. */
export async function readPassword(place: PostgresPlace): Promise<string | undefined> {
  try {
    return await readFile(place.passwordFile, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new Error(
      `The password of the built-in database in ${place.folder} cannot be read: it belongs to another account. Use the account that started it, or root.`,
      { cause: error },
    )
  }
}

async function initialise(
  binaries: string,
  place: PostgresPlace,
  data: string,
  passwordFile: string,
  durable: boolean,
): Promise<void> {
  await mkdir(data, { mode: 0o700 })
  await handTo(place.account, data)
  const options = ['-D', data, '-U', postgresUser, `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const text = ['--encoding=UTF8', '--locale=C', '--no-instructions']
  const speed = durable ? [] : ['--no-sync']
  try {
    await run(join(binaries, 'bin', 'initdb'), [...options, ...text, ...speed], asAccount(place.account))
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(
      `PostgreSQL could not create its data in ${place.folder}:\n${`${stdout}${stderr}`.trim()}`,
      {
        cause: error,
      },
    )
  }
}

async function isThere(place: PostgresPlace): Promise<boolean> {
  const found = await stat(place.passwordFile).catch(() => undefined)
  return found !== undefined
}

async function removeOldDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(draftPrefix)) continue
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found === undefined || Date.now() - found.mtimeMs < draftKeptMs) continue
    await rm(join(folder, name), { recursive: true, force: true })
  }
}
