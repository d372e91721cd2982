import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The account PostgreSQL runs as; `undefined` means the one this process runs as. */
export type PostgresAccount = { uid: number; gid: number; name: string } | undefined

export type Trial = { succeeded: boolean; output: string }

/** Environment for PostgreSQL's programs: none of the caller's PG* variables, messages in English, times in UTC. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: '/', LC_ALL: 'C', TZ: 'UTC' }
}

/** Spawn options that make a program run as the account. Its working folder is `/`, because the account may not be allowed into ours. */
export function asAccount(account: PostgresAccount) {
  const identity = account === undefined ? {} : { uid: account.uid, gid: account.gid }
  return { ...identity, cwd: '/', env: postgresEnvironment() }
}

/** PostgreSQL refuses to run as root, so root lends it `postgres` or else `nobody`. Data that already belongs to another account stays with its owner. */
export async function choosePostgresAccount(existingData: string): Promise<PostgresAccount> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(existingData).catch(() => undefined)
  if (owner !== undefined && owner.uid !== 0) {
    return { uid: owner.uid, gid: owner.gid, name: `the account with uid ${owner.uid}` }
  }
  for (const name of ['postgres', 'nobody']) {
    const account = await findAccount(name)
    if (account !== undefined) return account
  }
  throw new Error(
    'PostgreSQL does not run as root, and this machine has neither an account "postgres" nor "nobody" to lend it. Start as another user, or set DATABASE_URL.',
  )
}

async function findAccount(name: string): Promise<PostgresAccount> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout), name: `"${name}"` }
  } catch {
    return undefined
  }
}

/** Runs a line of shell as the account, with the arguments as $1, $2, …, and says how it went. Throws only when the account cannot be assumed at all. */
export async function tryAsAccount(
  account: PostgresAccount,
  script: string,
  ...values: string[]
): Promise<Trial> {
  try {
    const { stdout, stderr } = await run('/bin/sh', ['-c', script, 'sh', ...values], asAccount(account))
    return { succeeded: true, output: `${stdout}${stderr}` }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string }
    if (typeof code === 'number') return { succeeded: false, output: `${stdout ?? ''}${stderr ?? ''}`.trim() }
    if (account === undefined) throw error
    throw new Error(
      `This process is root but may not run programs as ${account.name}, and PostgreSQL does not run as root. Start as another user, or set DATABASE_URL.`,
      { cause: error },
    )
  }
}
