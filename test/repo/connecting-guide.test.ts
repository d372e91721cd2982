import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { after, it } from 'node:test'
import { promisify } from 'node:util'
import { sandboxAccount, startTestSystem } from '../support/test-system.ts'

type Shown = {
  id: string
  status: string
  ok?: boolean
  autoImport: boolean
  keySetAt: string
  sync: { pricing: { enabled: boolean } }
  data?: Array<{ id: string }>
}

const guide = new URL('../../docs/connecting.md', import.meta.url)
const run = promisify(execFile)
const system = await startTestSystem({ after })
const { accountId, apiKey } = sandboxAccount

/** The examples under each heading, without what the reader has to fill in. */
async function examplesOf(page: string): Promise<Map<string, string[]>> {
  const sections = page.split(/^## /m).slice(1)
  return new Map(
    sections.map((section) => [
      section.split('\n', 1)[0] ?? '',
      [...section.matchAll(/^```sh\n(.*?)^```$/gms)]
        .map(([, example = '']) => example)
        .filter((example) => !example.includes('export ')),
    ]),
  )
}

it('every example of the guide does what it says, one after another', async () => {
  await system.api('POST', '/v1/tenants', { slug: 'demo', name: 'Demo' })
  const owner = { tenant: 'demo', role: 'owner', name: 'guide' }
  const { body: issued } = await system.api<{ token: string }>('POST', '/v1/tokens', owner)
  const settings: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    API: system.url,
    TOKEN: issued.token,
    ACCOUNT_ID: String(accountId),
    API_KEY: apiKey,
  }
  const examples = await examplesOf(await readFile(guide, 'utf8'))
  const perform = async (heading: string): Promise<Shown[]> => {
    const shown: Shown[] = []
    for (const example of examples.get(heading) ?? []) {
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', example], { env: settings })
      // One line of answer per command.
      for (const answer of stdout.replaceAll('}{', '}\n{').split('\n')) shown.push(JSON.parse(answer))
      settings.CONNECTION ??= shown[0]?.id ?? ''
    }
    examples.delete(heading)
    return shown
  }

  const [connected, changed] = await perform('Connect')
  assert.deepEqual([connected?.status, connected?.autoImport, changed?.autoImport], ['active', false, true])
  const [verified] = await perform('See that it works')
  assert.equal(verified?.ok, true)
  const [listed, asked] = await perform('Import existing reservations')
  assert.deepEqual([listed?.data?.[0]?.id, 'running'], [asked?.id, asked?.status])
  const [chosen] = await perform('Choose what is synchronised')
  assert.equal(chosen?.sync.pricing.enabled, false)
  const states = await perform('Pause and resume')
  assert.deepEqual(
    states.map(({ status }) => status),
    ['paused', 'active'],
  )
  await system.control.changeApiKey(accountId, 'the-next-key')
  settings.API_KEY = 'the-next-key'
  const [again] = await perform('Replace the API key')
  assert.ok((again?.keySetAt ?? '') > (connected?.keySetAt ?? ''))
  const [before] = (await system.control.state(accountId)).webhooks
  await perform('Replace the webhook’s credentials')
  const [rotated] = (await system.control.state(accountId)).webhooks
  assert.notEqual(rotated?.password, before?.password)
  const [gone] = await perform('Disconnect')
  assert.equal(gone?.status, 'disconnected')
  assert.deepEqual((await system.control.state(accountId)).webhooks, [])
  assert.deepEqual(
    [...examples].filter(([, left]) => left.length > 0),
    [],
    'examples that this test does not run',
  )
})
