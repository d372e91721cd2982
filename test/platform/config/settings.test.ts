import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { envExample } from '../../../local/env-example.ts'
import {
  ConfigError,
  describeConfig,
  type Environment,
  loadConfig,
  loadDatabaseUrl,
} from '../../../src/platform/config/config.ts'
import { settingsSchema } from '../../../src/platform/config/settings-schema.ts'
import { parseRateLimitProfile } from '../../../src/platform/limiter/rate-limit-profile.ts'
import { generateKeyRingEntry } from '../../../src/platform/vault/vault.ts'

const keys = generateKeyRingEntry('k1')
const enough: Environment = { DATABASE_URL: 'postgres://localhost/hostaway', ENCRYPTION_KEYS: keys }

function problemsOf(environment: Environment): string[] {
  try {
    loadConfig({}, environment)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems
  }
}

describe('the settings', () => {
  it('the settings are complete with a database and a key ring', () => {
    const config = loadConfig({}, enough)
    assert.equal(config.PORT, 3000)
    assert.equal(config.PUBLIC_URL, 'http://127.0.0.1:3000')
    assert.equal(config.HOSTAWAY_CIRCUIT_BREAKER_ENABLED, true)
    assert.equal(config.defaultAccount, undefined)
  })

  it('say everything that is wrong at once', () => {
    const problems = problemsOf({
      PORT: 'abc',
      METRICS_PORT: '70000',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://localhost/x',
      REDIS_URL: 'localhost:6379',
      ENCRYPTION_KEYS: 'k1:c2hvcnQ=',
      PUBLIC_URL: 'example.com',
      HOSTAWAY_RATE_LIMIT_PROFILE: 'fast',
      HOSTAWAY_RATE_LIMIT_BURST: '5',
      HOSTAWAY_CIRCUIT_BREAKER_ENABLED: 'perhaps',
      HOSTAWAY_API_KEY: 'alone',
      HOSTAWAY_WEBHOOK_SECRET: 'a-secret-that-is-long',
      HOSTAWAY_RECONCILE_CRON: 'sometimes',
      HOSTAWAY_SYNC_PRICING_CRON: '61 * * * *',
      WORKER_CONCURRENCY: '0',
    })
    const expected = [
      'DATABASE_URL',
      'ENCRYPTION_KEYS',
      'HOSTAWAY_ACCOUNT_ID and HOSTAWAY_API_KEY',
      'HOSTAWAY_CIRCUIT_BREAKER_ENABLED',
      'HOSTAWAY_RATE_LIMIT_BURST',
      'HOSTAWAY_RATE_LIMIT_PROFILE',
      'HOSTAWAY_RECONCILE_CRON',
      'HOSTAWAY_SYNC_PRICING_CRON',
      'HOSTAWAY_WEBHOOK_SECRET',
      'LOG_LEVEL',
      'METRICS_PORT',
      'PORT',
      'PUBLIC_URL',
      'REDIS_URL',
      'WORKER_CONCURRENCY',
    ]
    assert.ok(
      problems.includes(
        `HOSTAWAY_RATE_LIMIT_PROFILE is not valid: Hostaway's call limits: 2025 (15 calls per address and 20 per account in 10 s), 2026-08 (200 and 200), or custom:15/10s,20/10s.`,
      ),
      problems.join('\n'),
    )
    for (const name of expected) {
      assert.ok(
        problems.some((problem) => problem.startsWith(name)),
        `nothing about ${name}: ${problems.join('\n')}`,
      )
    }
    assert.equal(problems.length, expected.length)
  })

  it('the settings are required by name where they are missing', () => {
    const problems = problemsOf({})
    assert.equal(problems.length, 2)
    assert.match(problems.join('\n'), /ENCRYPTION_KEYS is required[\s\S]*DATABASE_URL is required/)
    assert.throws(() => loadDatabaseUrl({}), /DATABASE_URL is required/)
    assert.throws(() => loadDatabaseUrl({ DATABASE_URL: 'redis://x' }), /postgres:\/\//)
  })

  it('never repeat the value of a secret', () => {
    const secrets = {
      ENCRYPTION_KEYS: 'd3c0ded5ecretd3c0ded5ecret',
      ADMIN_API_TOKEN: 'tiny-token',
      DATABASE_URL: 'mysql://user:database-pass@host/x',
      REDIS_URL: 'http://:redis-pass@host',
      HOSTAWAY_WEBHOOK_SECRET: 'brief-secret',
    }
    const text = problemsOf(secrets).join('\n')
    assert.notEqual(text, '')
    for (const value of [...Object.values(secrets), 'database-pass', 'redis-pass']) {
      assert.ok(!text.includes(value), value)
    }
  })

  it('the settings that are empty count as not set', () => {
    const config = loadConfig({}, { ...enough, REDIS_URL: '', PORT: '', HOSTAWAY_API_KEY: '' })
    assert.deepEqual([config.REDIS_URL, config.PORT, config.HOSTAWAY_API_KEY], [undefined, 3000, undefined])
  })

  it('the settings of the environment go before what is provided', () => {
    const config = loadConfig({ PORT: '1', HOST: 'provided' }, { ...enough, PORT: '2' })
    assert.deepEqual([config.PORT, config.HOST], [2, 'provided'])
  })

  it('make a base for webhook addresses that can be reached, without a slash at its end', () => {
    const urlOf = (settings: Environment) => loadConfig({}, { ...enough, ...settings }).PUBLIC_URL
    assert.equal(urlOf({ HOST: '0.0.0.0', PORT: '80' }), 'http://localhost:80')
    assert.equal(urlOf({ HOST: '::1' }), 'http://[::1]:3000')
    assert.equal(urlOf({ PUBLIC_URL: 'https://example.com/base//' }), 'https://example.com/base')
  })

  it('connect a default account where both its id and its key are set', () => {
    const settings = { HOSTAWAY_ACCOUNT_ID: '10001', HOSTAWAY_API_KEY: 'key' }
    assert.deepEqual(loadConfig({}, { ...enough, ...settings }).defaultAccount, {
      accountId: '10001',
      apiKey: 'key',
      webhookSecret: undefined,
    })
  })

  const profiles = ['2025', '2026-08', 'custom:15/10s,20/10s', 'custom:10000/3600s,1/1s']
  const noProfiles = [
    'custom:0/1s,1/1s',
    'custom:10001/1s,1/1s',
    'custom:1/3601s,1/1s',
    'custom:1/1s',
    'custom:99999999999/1s,1/1s',
  ]
  it('take a rate limit profile exactly where the limiter does', () => {
    for (const profile of profiles) {
      assert.deepEqual(problemsOf({ ...enough, HOSTAWAY_RATE_LIMIT_PROFILE: profile }), [], profile)
      assert.doesNotThrow(() => parseRateLimitProfile(profile))
    }
    for (const profile of noProfiles) {
      assert.equal(problemsOf({ ...enough, HOSTAWAY_RATE_LIMIT_PROFILE: profile }).length, 1, profile)
      assert.throws(() => parseRateLimitProfile(profile))
    }
  })

  it('the settings are logged without their secrets', () => {
    const values = {
      DATABASE_URL: 'postgres://user:database-pass@localhost/x',
      REDIS_URL: 'redis://:redis-pass@localhost',
      ENCRYPTION_KEYS: keys,
      ADMIN_API_TOKEN: 'token-of-the-administrator',
      HOSTAWAY_ACCOUNT_ID: '10001',
      HOSTAWAY_API_KEY: 'key-of-the-account',
      HOSTAWAY_WEBHOOK_SECRET: 'secret-of-the-webhooks',
    }
    const described = JSON.stringify(describeConfig(loadConfig({}, values)))
    for (const [name, value] of Object.entries(values)) {
      if (name !== 'HOSTAWAY_ACCOUNT_ID') assert.ok(!described.includes(value), name)
    }
    assert.match(described, /"HOSTAWAY_API_KEY":"configured"/)
  })
})

describe('.env.example', async () => {
  const text = await readFile(new URL('../../../.env.example', import.meta.url), 'utf8')

  it('.env.example is what `npm run env-example` writes', () => assert.equal(text, envExample()))

  it('.env.example has every setting once', () => {
    const names = [...text.matchAll(/^# ([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name)
    assert.deepEqual(names.sort(), Object.keys(settingsSchema.properties).sort())
  })

  it('explains each setting in a sentence and shows its default', () => {
    for (const [name, schema] of Object.entries(settingsSchema.properties)) {
      const { default: fallback = '' } = schema as { default?: unknown }
      const [, sentence, value] = new RegExp(`^# (.*)\\n# ${name}=(.*)$`, 'm').exec(text) ?? []
      assert.match(sentence ?? '', /^\w.{10,}\.$/, name)
      assert.equal(value, String(fallback), name)
    }
  })
})
