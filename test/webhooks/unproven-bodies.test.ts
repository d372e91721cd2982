import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { startTestSystem, type TestConnection, type TestSystem } from '../support/test-system.ts'

describe('large bodies of webhooks', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    connection = await system.connect()
  })

  /** What the server answers to a head whose body never comes. */
  async function answerToHead(path: string, headers: Record<string, string>): Promise<string> {
    const { hostname, port } = new URL(system.url)
    const socket = connect(Number(port), hostname)
    const lines = Object.entries({ host: 'any', 'content-type': 'application/json', ...headers })
    socket.write(
      `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`,
    )
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return chunk.toString()
  }

  const large = { 'content-length': '900000' }

  it('a large webhook without a proof is refused before its body is sent, at every address', async () => {
    const own = `/webhooks/hostaway/${connection.id}`
    const wrong = `Basic ${Buffer.from('tvl:wrong').toString('base64')}`
    for (const [path, headers] of [
      [own, large],
      [own, { ...large, authorization: wrong }],
      [own, { 'transfer-encoding': 'chunked', authorization: wrong }],
      [
        '/webhooks/hostaway/01890000-0000-7000-8000-000000000000',
        { ...large, authorization: connection.basic },
      ],
      ['/webhooks/hostaway', large],
    ] as const) {
      const answer = await answerToHead(path, headers)
      assert.match(answer, /^HTTP\/1\.1 401 /, `${path} ${JSON.stringify(headers)}`)
      assert.match(answer, /connection: close/i)
    }
  })

  it('a large webhook with its proof is taken at both addresses, whatever its body names deep inside', async () => {
    const padding = 'x'.repeat(300_000)
    const body = {
      event: 'task.created',
      data: { id: 1, note: padding, accountId: 99_999 },
      accountId: connection.accountId,
    }
    assert.equal((await system.deliver(connection, body)).status, 200)
    const shared = { ...connection, webhookUrl: `${system.url}/webhooks/hostaway` }
    assert.equal((await system.deliver(shared, body)).status, 200)
    assert.equal((await system.deliver(shared, { ...body, accountId: 99_999 })).status, 401)
  })

  it('more large bodies at once than may be held are put off, and room comes back', async () => {
    const { hostname, port } = new URL(system.url)
    const path = `/webhooks/hostaway/${connection.id}`
    const head = `POST ${path} HTTP/1.1\r\nhost: any\r\ncontent-type: application/json\r\nauthorization: ${connection.basic}\r\ncontent-length: 1000000\r\n\r\n{`
    const sockets = Array.from({ length: 67 }, () => connect(Number(port), hostname))
    for (const socket of sockets) socket.on('error', () => undefined).write(head)
    const holding = { authorization: connection.basic, 'content-length': '1000000' }
    let answer = ''
    for (let tries = 0; tries < 200 && !answer.startsWith('HTTP/1.1 503'); tries += 1) {
      answer = await Promise.race([
        answerToHead(path, holding),
        new Promise<string>((resolve) => setTimeout(resolve, 50, '')),
      ])
    }
    assert.match(answer, /^HTTP\/1\.1 503 /)
    for (const socket of sockets) socket.destroy()
    const body = { event: 'task.created', data: { id: 2, note: 'x'.repeat(100_000) } }
    let status = 0
    for (let tries = 0; tries < 200 && status !== 200; tries += 1)
      status = (await system.deliver(connection, body)).status
    assert.equal(status, 200)
  })
})
