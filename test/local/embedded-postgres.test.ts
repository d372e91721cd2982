import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, afterEach, before, type TestContext, test } from 'node:test'
import { Client } from 'pg'
import {
  type EmbeddedPostgres,
  findRunningPostgres,
  startEmbeddedPostgres,
} from '../../local/embedded-postgres.ts'
import { eventually } from '../support/eventually.ts'

const settings = { fsync: 'off' }

// Creating the data takes most of the time, so tests that need no fresh data share it, one after the other.
let sharedFolder = ''
before(async () => {
  sharedFolder = await makeFolder()
})
after(() => rm(sharedFolder, { recursive: true, force: true }))
afterEach(() => endServerOn(sharedFolder))

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-embedded-'))
  await chmod(folder, 0o711)
  return folder
}

async function freshFolder(t: TestContext): Promise<string> {
  const folder = await makeFolder()
  t.after(async () => {
    await endServerOn(folder)
    // A server that is ending may still be writing.
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  })
  return folder
}

async function endServerOn(dataDir: string): Promise<void> {
  const running = await findRunningPostgres(dataDir)
  if (running === undefined) return
  process.kill(running.pid, 'SIGINT')
  await eventually(async () => assert.equal(await findRunningPostgres(dataDir), undefined))
}

function start(dataDir: string): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({ dataDir, settings })
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

type Child = { process: ChildProcess; pid: number; url: string; folder: string }

/** A process of its own that starts a server, says so, and then follows commands. */
async function startInChild(t: TestContext, options: object, then: string): Promise<Child> {
  const module = new URL('../../local/embedded-postgres.ts', import.meta.url).href
  const script = `
    import { startEmbeddedPostgres } from '${module}'
    const server = await startEmbeddedPostgres(${JSON.stringify({ settings, ...options })})
    console.log(JSON.stringify({ pid: server.pid, url: server.url }))
    ${then}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const { pid, url } = JSON.parse(line) as { pid: number; url: string }
  const [row] = await query(url, 'show data_directory')
  return { process: child, pid, url, folder: String(row?.data_directory) }
}

const stay = 'setInterval(() => {}, 1_000_000)'

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

const isGone = (url: string) => eventually(() => assert.rejects(query(url, 'select 1')))

test('a server starts on 127.0.0.1 with a database of its own, and stops', async () => {
  const dataDir = sharedFolder
  const server = await start(dataDir)
  assert.equal(server.adopted, false)
  assert.equal(new URL(server.url).hostname, '127.0.0.1')
  const [row] = await query(server.url, 'select current_database(), current_setting($$fsync$$) as fsync')
  assert.deepEqual(row, { current_database: 'hostaway', fsync: 'off' })
  await server.stop()
  await server.stop()
  await assert.rejects(query(server.url, 'select 1'))
})

test('a wrong password is refused', async () => {
  const server = await start(sharedFolder)
  const url = new URL(server.url)
  url.password = 'wrong'
  await assert.rejects(query(url.href, 'select 1'), { code: '28P01' })
})

test('data outlives a stop', async () => {
  const dataDir = sharedFolder
  const first = await start(dataDir)
  await query(first.url, 'create table kept as select 7 as value')
  await first.stop()
  const second = await start(dataDir)
  assert.deepEqual(await query(second.url, 'select value from kept'), [{ value: 7 }])
})

test('a server whose process was killed is adopted, and stopped by the one that adopted it', async (t) => {
  const dataDir = sharedFolder
  const child = await startInChild(t, { dataDir }, stay)
  await kill(child.process)
  const server = await start(dataDir)
  assert.equal(server.adopted, true)
  assert.equal(server.pid, child.pid)
  await server.stop()
  await assert.rejects(query(server.url, 'select 1'))
})

test('a server that was killed together with its process starts again', async (t) => {
  const dataDir = sharedFolder
  const child = await startInChild(t, { dataDir }, stay)
  await kill(child.process)
  process.kill(child.pid, 'SIGKILL')
  const server = await start(dataDir)
  assert.equal(server.adopted, false)
  assert.deepEqual(await query(server.url, 'select 1 as one'), [{ one: 1 }])
})

test('a server that another live process uses is shared and left running', async (t) => {
  const dataDir = sharedFolder
  const child = await startInChild(t, { dataDir }, stay)
  const server = await start(dataDir)
  assert.equal(server.pid, child.pid)
  await server.stop()
  assert.deepEqual(await query(child.url, 'select 1 as one'), [{ one: 1 }])
})

test('starts at the same time end up with one server', async (t) => {
  const dataDir = await freshFolder(t)
  const servers = await Promise.all([start(dataDir), start(dataDir)])
  assert.equal(servers[0].pid, servers[1].pid)
  assert.deepEqual(servers.map((server) => server.adopted).sort(), [false, true])
  await servers[0].stop()
  assert.deepEqual(await query(servers[1].url, 'select 1 as one'), [{ one: 1 }])
})

test('a process that ends by an uncaught error takes its server along', async (t) => {
  const child = await startInChild(
    t,
    { dataDir: sharedFolder },
    `process.stdin.once('data', () => { throw new Error('planned') })`,
  )
  child.process.stdin?.write('now')
  await once(child.process, 'exit')
  await isGone(child.url)
})

test('a temporary server leaves nothing behind when it stops', async () => {
  const server = await startEmbeddedPostgres({ temporary: true, settings })
  const [row] = await query(server.url, 'show data_directory')
  assert.ok(existsSync(String(row?.data_directory)))
  await server.stop()
  assert.equal(existsSync(join(String(row?.data_directory), '..', '..')), false)
})

test('a temporary server leaves nothing behind when its process is killed', async (t) => {
  const child = await startInChild(t, { temporary: true }, stay)
  await kill(child.process)
  await isGone(child.url)
  await eventually(() => assert.equal(existsSync(join(child.folder, '..', '..')), false), {
    timeoutMs: 20_000,
  })
})

test('a running server can be found without being held', async () => {
  const dataDir = sharedFolder
  assert.equal(await findRunningPostgres(dataDir), undefined)
  const server = await start(dataDir)
  const found = await findRunningPostgres(dataDir)
  assert.deepEqual(found, { url: server.url, port: server.port, pid: server.pid })
  await server.stop()
  assert.equal(await findRunningPostgres(dataDir), undefined)
})

test('a port that is taken is named in the refusal', async (t) => {
  const dataDir = sharedFolder
  const other = createServer()
  t.after(() => other.close())
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  await assert.rejects(startEmbeddedPostgres({ dataDir, port, settings }), new RegExp(`port ${port}`))
})

test('a path longer than a socket address may be is no obstacle', async (t) => {
  const dataDir = join(await freshFolder(t), 'long'.repeat(35), 'data')
  const server = await start(dataDir)
  assert.deepEqual(await query(server.url, 'select 1 as one'), [{ one: 1 }])
})

test('a pid file that names a foreign program is recovered', async (t) => {
  const dataDir = sharedFolder
  const first = await start(dataDir)
  const [row] = await query(first.url, 'show data_directory')
  const pidFile = join(String(row?.data_directory), 'postmaster.pid')
  const content = await readFile(pidFile, 'utf8')
  await first.stop()
  const stranger = spawn('sleep', ['1000'], {
    stdio: 'ignore',
    cwd: '/',
    ...(process.getuid?.() === 0 ? await ownerOf(join(pidFile, '..')) : {}),
  })
  t.after(() => stranger.kill('SIGKILL'))
  await once(stranger, 'spawn')
  await writeFile(pidFile, content.replace(/^\d+/, String(stranger.pid)))
  const second = await start(dataDir)
  assert.equal(second.adopted, false)
  assert.equal(stranger.exitCode, null)
})

async function ownerOf(path: string): Promise<{ uid: number; gid: number }> {
  const { uid, gid } = await stat(path)
  return { uid, gid }
}
