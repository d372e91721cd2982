import assert from 'node:assert/strict'
import { it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { startTestSystem } from '../support/test-system.ts'

const context = afterAll()

it('a token that asks too often is answered 429 for a while, and no other tenant notices', async () => {
  const system = await startTestSystem(context, {
    workers: false,
    settings: { API_REQUESTS_PER_TOKEN: '60', API_REQUESTS_PER_TENANT: '120' },
  })
  const tokenOf = async (tenant: string, name: string) => {
    await system.api('POST', '/v1/tenants', { slug: tenant, name: tenant })
    const made = await system.api<{ token: string }>('POST', '/v1/tokens', { tenant, role: 'owner', name })
    return made.body.token
  }
  const [busy, colleague, other] = [
    await tokenOf('busy', 'one'),
    await tokenOf('busy', 'two'),
    await tokenOf('other', 'one'),
  ]
  const ask = async (token: string, times: number) => {
    const answers = []
    for (let at = 0; at < times; at += 1)
      answers.push(await system.api('GET', '/v1/bookings', undefined, token))
    return answers
  }
  const refused = (await ask(busy, 30)).filter(({ status }) => status === 429)
  assert.ok(refused.length >= 15, `${refused.length}`)
  assert.equal((refused[0]?.body as { code?: string } | undefined)?.code, 'TOO_MANY_REQUESTS')
  assert.match(refused[0]?.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
  const [first] = await ask(other, 1)
  assert.equal(first?.status, 200)
  assert.ok(
    (await ask(colleague, 30)).some(({ status }) => status === 429),
    'the tenant has a limit as well',
  )
  assert.ok((await ask(other, 5)).every(({ status }) => status === 200))
})
