import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { isAuthentic } from '../../src/channels/hostaway/webhook-auth.ts'
import type { WebhookReceiver } from '../../src/connections/connection-secret-store.ts'
import { post, signature, webhookRoutes } from '../support/ingress.ts'
import { startTestSystem, type TestConnection } from '../support/test-system.ts'

const secret = 'a secret of the signing gateway'
const rawBody = Buffer.from('{"event":"reservation.created", "accountId": 10001, "guest": "Zoë \u{1f3d6}"}')
const now = 1_900_000_000_750
const sentAt = 1_900_000_000

function receiver(changes: Partial<WebhookReceiver> = {}): WebhookReceiver {
  return {
    id: '0190f0aa-0000-7000-8000-000000000001',
    tenantId: '0190f0aa-0000-7000-8000-000000000002',
    channel: 'hostaway',
    accountId: '10001',
    webhookAuth: 'basic',
    login: 'user',
    password: 'pass:wörd',
    hmacSecret: secret,
    nextCredentials: undefined,
    formerSecrets: [],
    ...changes,
  }
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const rightBasic = basic('user:pass:wörd')

function credentials(
  options: { authorization?: string; at?: string; signed?: Buffer; hex?: (hex: string) => string } = {},
) {
  const at = options.at ?? String(sentAt)
  const headers = signature(secret, options.signed ?? rawBody, at)
  const hex = headers['x-hostaway-signature'] ?? ''
  return {
    authorization: options.authorization,
    'x-hostaway-timestamp': headers['x-hostaway-timestamp'],
    'x-hostaway-signature': options.hex?.(hex) ?? hex,
  }
}

const unsigned = { 'x-hostaway-signature': undefined, 'x-hostaway-timestamp': undefined }

function accepts(changes: Partial<WebhookReceiver>, sent: Parameters<typeof isAuthentic>[1], body = rawBody) {
  return isAuthentic(receiver(changes), sent, body, now)
}

describe('a signature', () => {
  const signedOnly = { webhookAuth: 'hmac' } as const

  it('over the bytes received and their time is accepted, in upper case too', () => {
    assert.ok(accepts(signedOnly, credentials()))
    assert.ok(accepts(signedOnly, credentials({ hex: (hex) => hex.toUpperCase() })))
  })

  for (const seconds of [299, -299, 300]) {
    it(`a signature is accepted ${seconds} seconds away from now`, () => {
      assert.ok(accepts(signedOnly, credentials({ at: String(sentAt + seconds) })))
    })
  }

  for (const seconds of [301, -301, 86_400, -86_400]) {
    it(`a signature is rejected ${seconds} seconds away from now`, () => {
      assert.ok(!accepts(signedOnly, credentials({ at: String(sentAt + seconds) })))
    })
  }

  const noTimes = [
    '',
    'NaN',
    'Infinity',
    `-${sentAt}`,
    `+${sentAt}`,
    `${sentAt}.0`,
    ` ${sentAt}`,
    `${sentAt}\n`,
    `${sentAt}000`,
    '1.9e9',
    '0x713FB300',
    '9'.repeat(400),
    '１９０００００００００',
    'Sat, 17 Mar 2030 17:46:40 GMT',
  ]
  for (const at of noTimes) {
    it(`a signature is rejected where its time is ${JSON.stringify(at.slice(0, 40))}`, () => {
      assert.ok(!accepts(signedOnly, credentials({ at })))
    })
  }

  it('a signature of another body, or of the same one written in another way, is rejected', () => {
    const again = Buffer.from(JSON.stringify(JSON.parse(rawBody.toString())))
    assert.notDeepEqual(again, rawBody)
    assert.ok(!accepts(signedOnly, credentials({ signed: again })))
    assert.ok(!accepts(signedOnly, credentials(), again))
    assert.ok(!accepts(signedOnly, credentials(), Buffer.alloc(0)))
    assert.ok(!accepts(signedOnly, credentials(), Buffer.concat([rawBody, Buffer.from('\n')])))
  })

  it('covers bytes that are no text', () => {
    const bytes = Buffer.from([0xff, 0x00, 0xfe])
    assert.ok(accepts(signedOnly, credentials({ signed: bytes }), bytes))
    assert.ok(!accepts(signedOnly, credentials({ signed: bytes }), Buffer.from([0xfe, 0x00, 0xff])))
  })

  it('a signature with another time than the signed one is rejected', () => {
    const sent = credentials()
    assert.ok(!accepts(signedOnly, { ...sent, 'x-hostaway-timestamp': String(sentAt + 1) }))
    assert.ok(!accepts(signedOnly, { ...sent, 'x-hostaway-timestamp': `0${sentAt}` }))
    assert.ok(!accepts(signedOnly, { ...sent, 'x-hostaway-timestamp': undefined }))
  })

  it('a signature that is missing, cut, longer or of something else is rejected', () => {
    for (const hex of [
      () => '',
      (right: string) => right.slice(0, -1),
      (right: string) => `${right}0`,
      (right: string) => `sha256=${right}`,
      (right: string) => Buffer.from(right, 'hex').toString('base64'),
      (right: string) => `${right.startsWith('0') ? '1' : '0'}${right.slice(1)}`,
    ]) {
      assert.ok(!accepts(signedOnly, credentials({ hex })))
    }
    assert.ok(!accepts(signedOnly, { ...credentials(), 'x-hostaway-signature': undefined }))
  })

  it('a signature is worth nothing where the connection has no secret', () => {
    for (const webhookAuth of ['basic', 'hmac', 'basic+hmac'] as const) {
      const without = { webhookAuth, hmacSecret: null }
      assert.ok(!accepts(without, credentials({ authorization: basic('user:other') })))
    }
  })
})

describe('Basic', () => {
  it('Basic takes the login and password of the connection, whatever the case of the scheme', () => {
    for (const scheme of ['Basic', 'basic', 'BASIC']) {
      const authorization = rightBasic.replace('Basic', scheme)
      assert.ok(accepts({}, { ...unsigned, authorization }))
    }
  })

  it('Basic takes no other login and no other password', () => {
    for (const authorization of [
      undefined,
      '',
      'Basic',
      'Basic ',
      basic(''),
      basic(':'),
      basic('user:'),
      basic('user:pass'),
      basic('user:pass:wörd '),
      basic('User:pass:wörd'),
      rightBasic.slice('Basic '.length),
      rightBasic.replace('Basic', 'Bearer'),
      rightBasic.replace('Basic', 'Digest'),
      `${rightBasic}=`,
      'Basic user:pass:wörd',
    ]) {
      assert.ok(!accepts({}, { ...unsigned, authorization }), authorization)
    }
  })

  it('Basic is worth nothing once the credentials are erased', () => {
    for (const erased of [
      { login: null, password: null },
      { login: null, password: '' },
      { login: '', password: null },
    ]) {
      assert.ok(!accepts({ ...erased, hmacSecret: null }, { ...unsigned, authorization: basic(':') }))
    }
  })
})

describe('what a connection asks for', () => {
  const wrongBasic = basic('user:wrong')
  const wrong = { hex: () => 'ab'.repeat(32) }
  const sent = {
    'Basic alone': { ...unsigned, authorization: rightBasic },
    'a signature alone': credentials(),
    both: credentials({ authorization: rightBasic }),
    'Basic and a wrong signature': credentials({ authorization: rightBasic, ...wrong }),
    'a signature and wrong Basic': credentials({ authorization: wrongBasic }),
    'both wrong': credentials({ authorization: wrongBasic, ...wrong }),
    nothing: { ...unsigned, authorization: undefined },
  }
  const accepted: Record<WebhookReceiver['webhookAuth'], Array<keyof typeof sent>> = {
    basic: [
      'Basic alone',
      'a signature alone',
      'both',
      'Basic and a wrong signature',
      'a signature and wrong Basic',
    ],
    hmac: ['a signature alone', 'both', 'a signature and wrong Basic'],
    'basic+hmac': ['both'],
  }
  for (const [webhookAuth, expected] of Object.entries(accepted)) {
    it(`${webhookAuth} with a secret accepts: ${expected.join(', ')}`, () => {
      const changes = { webhookAuth: webhookAuth as WebhookReceiver['webhookAuth'] }
      const taken = Object.entries(sent).filter(([, given]) => accepts(changes, given))
      assert.deepEqual(
        taken.map(([name]) => name),
        expected,
      )
    })
  }

  it('basic without a secret accepts Basic only', () => {
    const taken = Object.entries(sent).filter(([, given]) => accepts({ hmacSecret: null }, given))
    assert.deepEqual(
      taken.map(([name]) => name),
      ['Basic alone', 'both', 'Basic and a wrong signature'],
    )
  })
})

describe('over HTTP', async () => {
  const system = await startTestSystem({ after }, { workers: false })
  const connections: Record<string, TestConnection> = {}
  for (const [index, webhookAuth] of (['basic', 'hmac', 'basic+hmac'] as const).entries()) {
    const account = { accountId: 10_100 + index, apiKey: `key-${index}` }
    await system.control.addAccount(account)
    const tenant = `tenant-${index}`
    connections[webhookAuth] = await system.connect({
      ...account,
      tenant,
      webhookAuth,
      webhookSecret: secret,
    })
  }

  const taken: Record<string, string[]> = {
    basic: ['Basic', 'signature', 'both'],
    hmac: ['signature', 'both'],
    'basic+hmac': ['both'],
  }
  for (const { route, urlOf } of webhookRoutes) {
    for (const [webhookAuth, connection] of Object.entries(connections)) {
      it(`${webhookAuth} is asked for at ${route}`, async () => {
        const url = urlOf(system, connection)
        const body = `{"event":"task.created", "accountId":${connection.accountId}}`
        const authorization = { authorization: connection.basic }
        const json = { 'content-type': 'application/json' }
        const attempts: Record<string, Record<string, string>> = {
          Basic: authorization,
          signature: signature(secret, body),
          both: { ...authorization, ...signature(secret, body) },
          'a signature of another body': signature(secret, '{}'),
          'an old signature': signature(secret, body, String(Math.floor(Date.now() / 1_000) - 400)),
        }
        for (const [name, headers] of Object.entries(attempts)) {
          const { status } = await post(url, body, { ...json, ...headers })
          assert.equal(status, taken[webhookAuth]?.includes(name) ? 200 : 401, name)
        }
      })
    }
  }
})
