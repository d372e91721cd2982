import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { openQueueBackend } from '../../../src/platform/queue/queue-backend.ts'
import { createLogger } from '../../../src/platform/telemetry/logger.ts'
import { eventually } from '../../support/eventually.ts'

function startLog() {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  return { lines, log: createLogger({ level: 'trace', role: 'test', destination }) }
}

describe('the log', () => {
  const names = [
    'apiKey',
    'token',
    'accessToken',
    'password',
    'login',
    'secret',
    'authorization',
    'body',
    'headers',
  ]
  for (const name of names) {
    it(`hides what is called ${name}, at the top, in lists and at any depth`, () => {
      const { lines, log } = startLog()
      const secret = { [name]: 'hidden-value' }
      const line = {
        ...secret,
        a: { ...secret, b: [{ ...secret, c: { d: secret } }] },
        kept: { e: [1, 'shown'] },
      }
      const before = structuredClone(line)
      log.info(line, 'event')
      assert.equal(lines.length, 1)
      assert.doesNotMatch(lines.join(), /hidden-value/)
      assert.equal(lines.join().match(/\[redacted\]/g)?.length, 4)
      assert.deepEqual(JSON.parse(lines.join()).kept, before.kept)
      assert.deepEqual(line, before)
    })
  }

  it('hides secrets that a child of the logger is bound to', () => {
    const { lines, log } = startLog()
    log.child({ apiKey: 'hidden-value', reqId: 'r-1' }).info('event')
    assert.doesNotMatch(lines.join(), /hidden-value/)
    assert.equal(JSON.parse(lines.join()).reqId, 'r-1')
  })

  it('hides secrets in an error under any name, in what tells itself how it is written, and below req', () => {
    const { lines, log } = startLog()
    const refused = Object.assign(new Error('refused'), {
      command: { args: ['AUTH', 'hidden-value'] },
      config: { headers: { authorization: 'hidden-value' } },
    })
    const headers = { toJSON: () => ({ authorization: 'hidden-value', host: 'shown' }) }
    log.error({
      reason: refused,
      sent: { headers: 1, with: headers },
      of: { req: { token: 'hidden-value' } },
    })
    assert.doesNotMatch(lines.join(), /hidden-value/)
    const written = JSON.parse(lines.join())
    assert.equal(written.reason.message, 'refused')
    assert.equal(written.sent.with.host, 'shown')
  })

  it('writes dates and errors as they are, and stops at what goes round in a circle', () => {
    const { lines, log } = startLog()
    const circle: Record<string, unknown> = { token: 'hidden-value' }
    circle.again = circle
    const at = new Date('2026-01-02T03:04:05Z')
    log.info({ at, deep: { at }, err: new Error('refused'), circle }, 'event')
    const written = JSON.parse(lines.join())
    assert.deepEqual([written.at, written.deep.at], [at.toISOString(), at.toISOString()])
    assert.equal(written.err.message, 'refused')
    assert.doesNotMatch(lines.join(), /hidden-value/)
  })

  it('the log has one event per line with level, time, role and process', () => {
    const { lines, log } = startLog()
    log.warn({ err: new Error('several\nlines') }, 'event')
    const { level, time, role, pid, msg } = JSON.parse(lines.join())
    assert.deepEqual([level, role, pid, msg], ['warn', 'test', process.pid, 'event'])
    assert.equal(new Date(time).toISOString(), time)
    assert.equal(lines.join().trimEnd().split('\n').length, 1)
  })

  const redisUrl = process.env.TEST_REDIS_URL
  it('hides the password that Redis refuses', { skip: redisUrl === undefined }, async (t) => {
    const url = new URL(redisUrl ?? '')
    url.username = 'nobody'
    url.password = 'pass-of-redis'
    const { lines, log } = startLog()
    const backend = openQueueBackend({
      redisUrl: url.href,
      databaseUrl: 'postgres://unused',
      prefix: 'unused',
      telemetry: undefined,
      onError: (err) => log.warn({ err }, 'queue.connection_lost'),
    })
    t.after(() => backend.close())
    await eventually(() => assert.match(lines.join(), /WRONGPASS/))
    assert.doesNotMatch(lines.join(), /pass-of-redis/)
  })
})

describe('a logged error', () => {
  it('a logged error is logged by type, message, code and kind, without properties of the driver, down to its causes', () => {
    const { lines, log } = startLog()
    const cause = Object.assign(new Error('refused'), { detail: 'Failing row contains (hidden-value)' })
    const error = Object.assign(new Error('not stored', { cause }), {
      code: '23502',
      kind: 'unexpected',
      command: { name: 'hello', args: ['AUTH', 'hidden-value'] },
      config: { headers: { authorization: 'hidden-value' } },
    })
    log.error({ err: error }, 'event')
    assert.doesNotMatch(lines.join(), /hidden-value/)
    const { err } = JSON.parse(lines.join())
    assert.equal(err.message, 'not stored')
    assert.equal(err.code, '23502')
    assert.equal(err.kind, 'unexpected')
    assert.equal(err.cause.message, 'refused')
  })
})
