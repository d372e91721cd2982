import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { ConfigError, loadConfig, loadConfigWithKeys } from '../../../src/platform/config/config.ts'
import { generateKeyRingEntry } from '../../../src/platform/vault/vault.ts'
import { afterAll } from '../../support/after-all.ts'
import { startSecretManager } from '../../support/secret-manager.ts'
import { startProcess } from '../../support/spawned-process.ts'
import { createTestDatabase } from '../../support/test-database.ts'

const context = afterAll()
const { secrets, requests, environment } = await startSecretManager(context)
// The client finds its credentials by itself.
process.env.GOOGLE_APPLICATION_CREDENTIALS = environment.GOOGLE_APPLICATION_CREDENTIALS
process.env.METADATA_SERVER_DETECTION = 'none'
const { cache } = createRequire(import.meta.url)
const key = generateKeyRingEntry('held')
const older = generateKeyRingEntry('older')
secrets.set('keys', `${key},${older}\n`).set('keys/1', older)

const settingsWith = (secret: string) => ({
  DATABASE_URL: 'postgres://localhost/hostaway',
  ENCRYPTION_KEYS: `gcp-sm://${secret}`,
  SECRET_MANAGER_ENDPOINT: environment.SECRET_MANAGER_ENDPOINT,
})

async function problemsOf(settings: Record<string, string>): Promise<string[]> {
  try {
    await loadConfigWithKeys({}, settings)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems
  }
}

describe('a key ring in Google Secret Manager', () => {
  it('costs nothing where the keys are given themselves: not even its client is loaded', async () => {
    const isLoaded = () => Object.keys(cache).some((file) => file.includes('@google-cloud'))
    const given = { DATABASE_URL: 'postgres://localhost/hostaway', ENCRYPTION_KEYS: key }
    assert.deepEqual(await loadConfigWithKeys({}, given), loadConfig({}, given))
    assert.deepEqual([requests.length, isLoaded()], [0, false])
    await loadConfigWithKeys({}, settingsWith('projects/test/secrets/keys'))
    assert.deepEqual([requests.length, isLoaded()], [1, true])
    requests.length = 0
  })

  it('a key ring in Google Secret Manager is fetched in its latest version, or in the one that is named, with a token of the service account', async () => {
    const latest = await loadConfigWithKeys({}, settingsWith('projects/test/secrets/keys'))
    assert.deepEqual(
      latest.keyRing.map(({ id }) => id),
      ['held', 'older'],
    )
    const first = await loadConfigWithKeys({}, settingsWith('projects/test/secrets/keys/versions/1'))
    assert.deepEqual(
      first.keyRing.map(({ id }) => id),
      ['older'],
    )
    assert.deepEqual(requests, [
      { path: '/v1/projects/test/secrets/keys/versions/latest:access', hasToken: true },
      { path: '/v1/projects/test/secrets/keys/versions/1:access', hasToken: true },
    ])
  })

  const short = `k1:${Buffer.alloc(31, 7).toString('base64')}`
  const wrong: Array<[string, string | number, RegExp]> = [
    ['is not there', 404, /there is no such secret or version/],
    ['may not be read', 403, /may not read it.*roles\/secretmanager\.secretAccessor/],
    ['is disabled', 400, /disabled or destroyed/],
    ['is asked for by an unknown account', 401, /does not accept the credentials/],
    ['holds nothing', ' ', /holds nothing/],
    ['holds a key that is too short', short, /in gcp-sm:.*: key "k1" must be 32 bytes/],
    ['holds a key without an id', short.slice(3), /in gcp-sm:.*: key 1 needs an id/],
  ]
  for (const [what, held, sentence] of wrong) {
    it(`a key ring in Google Secret Manager that ${what} is one sentence beside all else that is wrong, without the key`, async () => {
      secrets.set('wrong', held)
      const problems = await problemsOf({ ...settingsWith('projects/test/secrets/wrong'), PORT: 'abc' })
      assert.equal(problems.length, 2, problems.join('\n'))
      const problem = problems.find((one) => one.startsWith('ENCRYPTION_KEYS: '))
      assert.match(problem ?? '', sentence)
      assert.doesNotMatch(problem ?? '', /\n/)
      assert.ok(!problems.join().includes(short.slice(3)))
    })
  }

  it('a key ring in Google Secret Manager is not asked for where its name or the way to it is wrong', async () => {
    const before = requests.length
    const misnamed = await problemsOf(settingsWith('projects/test/secret/keys'))
    assert.match(misnamed.join(), /^ENCRYPTION_KEYS: must look like gcp-sm:\/\/projects\//)
    const open = {
      ...settingsWith('projects/test/secrets/keys'),
      SECRET_MANAGER_ENDPOINT: 'http://example.com',
    }
    assert.match((await problemsOf(open)).join('\n'), /SECRET_MANAGER_ENDPOINT must be a URL .* https/)
    assert.equal(requests.length, before)
  })

  it('a key ring in Google Secret Manager that is missing ends a process with 1 and that sentence; one that is there lets a command run', async (t) => {
    const settings = { ...environment, DATABASE_URL: await createTestDatabase(t) }
    const run = (file: string, secret: string) =>
      startProcess(t, file, {
        ...settings,
        ENCRYPTION_KEYS: `gcp-sm://projects/test/secrets/${secret}`,
      }).end()
    const refused = await run('src/server.ts', 'unknown')
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    assert.equal(
      refused.stderr,
      'The configuration has a problem:\n  - ENCRYPTION_KEYS: secret projects/test/secrets/unknown cannot be read: there is no such secret or version\n',
    )
    const { code, stdout } = await run('src/platform/db/reseal.ts', 'keys')
    assert.deepEqual([code, stdout], [0, 'Re-sealed 0.\nNo longer needed in ENCRYPTION_KEYS: "older".\n'])
  })
})
