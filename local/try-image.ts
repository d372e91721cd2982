import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { acquire } from '../src/platform/process/acquire.ts'
import { generateKeyRingEntry } from '../src/platform/vault/vault.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { freePort } from './free-port.ts'
import { type BuiltStage, buildStage } from './image-stages.ts'
import { choosePostgresAccount } from './postgres-account.ts'

const repository = path.join(import.meta.dirname, '..')
const readyWithinMs = 30_000
const endedWithinMs = 25_000

// Does what `docker build` and docker-compose.yml do, without a container: the Dockerfile's steps in an empty folder,
// then the migration, the API and a worker from exactly these files, as an account that may not change them.
await acquire(async (releases) => {
  const scratch = await mkdtemp(path.join(tmpdir(), 'hostaway-image-'))
  releases.defer(() => rm(scratch, { recursive: true, force: true }))
  await chmod(scratch, 0o755)
  const programs = path.join(scratch, 'programs')
  await mkdir(programs)
  await cp(process.execPath, path.join(programs, 'node'))
  const image = await buildStage('connector', {
    repository,
    scratch,
    path: `${programs}:${process.env.PATH ?? ''}`,
  })
  console.log(`built in ${image.folder}`)

  const postgres = await startEmbeddedPostgres({ temporary: true })
  releases.defer(() => postgres.stop())
  const account = await choosePostgresAccount(image.folder)
  const identity = account === undefined ? {} : { uid: account.uid, gid: account.gid }
  const ports = { PORT: String(await freePort()), METRICS_PORT: String(await freePort()) }
  const env = {
    ...image.env,
    ...ports,
    PATH: programs,
    DATABASE_URL: postgres.url,
    ENCRYPTION_KEYS: generateKeyRingEntry('image'),
    ADMIN_API_TOKEN: 'admin-token-of-the-image',
  }
  const launch = (command: string[], changes: Record<string, string> = {}) => {
    const [program = '', ...values] = command
    return spawn(path.join(programs, program), values, {
      ...identity,
      cwd: image.folder,
      env: { ...env, ...changes },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }

  if (image.user === undefined) throw new Error('The image would run as root')
  await endsWell('the migration', launch(['node', 'src/platform/db/migrate.ts']))
  await endsWell('re-sealing', launch(['node', 'src/platform/db/reseal.ts']))
  await serves('the API', launch(image.command), ports.PORT, image, launch)
  await serves('a worker', launch(['node', 'workers/main.ts']), ports.METRICS_PORT, image, launch)
  await releases.disposeAsync()
})

async function serves(
  name: string,
  child: ChildProcess,
  port: string,
  image: BuiltStage,
  launch: (command: string[]) => ChildProcess,
): Promise<void> {
  try {
    const deadline = Date.now() + readyWithinMs
    while (!(await answers(`http://127.0.0.1:${port}/readyz`))) {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
      if (Date.now() > deadline) throw new Error(`${name} is not ready`)
      await pause(50)
    }
    await endsWell(`the health check of ${name}`, launch(image.healthCheck))
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const late = pause(endedWithinMs, ['late'], { ref: false })
    const [code] = await Promise.race([ended, late])
    if (code !== 0) throw new Error(`${name} ended with ${code} after SIGTERM`)
    console.log(`${name} became ready, was found healthy and ended cleanly`)
  } finally {
    child.kill('SIGKILL')
  }
  const [unhealthy] = await once(launch(image.healthCheck), 'exit')
  if (unhealthy === 0) throw new Error(`The health check did not notice that ${name} has ended`)
}

async function endsWell(name: string, child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${name} ended with ${code}`)
  console.log(`${name} ended with 0`)
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  )
}
