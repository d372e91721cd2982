import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { sql } from 'kysely'
import { readConnectionSecrets } from '../../src/connections/connection-secret-store.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { inDays } from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { callHostaway } from '../support/hostaway-account.ts'
import { post, signature } from '../support/ingress.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import { startTestSystem, type TestConnection } from '../support/test-system.ts'

type View = {
  id: string
  status: string
  statusReason: string | null
  disconnecting: boolean
  autoImport: boolean
  webhookAuth: string
  webhook: { id: string | null; url: string; secret?: string }
  sync: Record<string, { enabled: boolean; cron: string }>
  rateLimit: { rpm: number; burst: number } | null
}
type Verification = {
  ok: boolean
  status: string
  checks: Array<{ name: string; ok: boolean; detail: string }>
}

// What only a sweep would bring comes a minute later.
const atOnce = { timeoutMs: 20_000 }
const listingId = (accountId: number) => accountId + 100_000
let lastAccount = 70_000

const system = await startTestSystem(
  { after },
  { upkeepTimes: { watchEveryMs: 100, scheduleEveryMs: 200 }, outboundTimes: { settleMs: 20, restMs: 50 } },
)
const { control, db, api } = system

async function connectNew(changes: Record<string, unknown> = {}) {
  lastAccount += 1
  const accountId = lastAccount
  const account = { accountId, apiKey: `key-of-${accountId}` }
  await control.addAccount({ ...account, listings: [{ id: listingId(accountId), name: 'Quay Flat' }] })
  const connection = await system.connect({ tenant: `tenant-${accountId}`, ...account, ...changes })
  const path = `/v1/connections/${connection.id}`
  return {
    ...account,
    connection,
    path,
    unitId: `hostaway-${listingId(accountId)}`,
    show: async () => (await api<View>('GET', path)).body,
    /** Something else's doing at Hostaway. */
    atHostaway: (method: string, resource: string, body?: unknown) =>
      callHostaway(system.sandbox.apiUrl, account, { method, path: resource, body }),
    webhooks: async () => (await control.state(accountId)).webhooks,
    deliver: (data: unknown, headers = {}) =>
      system.deliver(connection, { event: 'reservation.created', accountId, data }, headers),
    book: () => reservationBody({ id: accountId, listingMapId: listingId(accountId) }),
  }
}

type Account = Awaited<ReturnType<typeof connectNew>>

async function bookingsOf({ connection }: Account): Promise<Array<{ status: string }>> {
  const { body } = await api<{ data: Array<{ status: string }> }>(
    'GET',
    `/v1/bookings?connection=${connection.id}`,
  )
  return body.data
}

async function eventsOf({ connection }: Account, type: string): Promise<Array<Record<string, unknown>>> {
  const rows = await db
    .selectFrom('event_outbox')
    .select('data')
    .where('connection_id', '=', connection.id)
    .where('type', '=', type)
    .orderBy('id')
    .execute()
  return rows.map(({ data }) => data as Record<string, unknown>)
}

async function checkNow({ connection }: Account): Promise<void> {
  await db
    .updateTable('hostaway_connections')
    .set({ webhook_check_due_at: sql<Date>`now()` })
    .where('id', '=', connection.id)
    .execute()
}

async function desirePrice({ connection, unitId }: Account, price: number): Promise<void> {
  const ranges = [{ from: inDays(30), to: inDays(30), price }]
  const event = { type: 'pricing.updated', unitId, currency: 'USD', ranges }
  const answer = await api('POST', `/v1/events?tenant=${connection.tenant}`, event)
  assert.equal(answer.status, 202, answer.text)
}

const pricesAt = async (accountId: number) =>
  Object.values((await control.state(accountId)).listings[0]?.written ?? {}).map(({ price }) => price)

const basicOf = (webhook: { login: string | null; password: string | null } | undefined) =>
  `Basic ${Buffer.from(`${webhook?.login}:${webhook?.password}`).toString('base64')}`

// Every connection costs a second for its token, so they live side by side, each with an account of its own.
describe('a connection', { concurrency: 6 }, () => {
  it('a connection that is paused stores webhooks and keeps desired, and works on both at once when it is resumed', async () => {
    const account = await connectNew()
    const { path, accountId, connection } = account
    for (const _ of ['once', 'again']) {
      const paused = await api<View>('POST', `${path}/pause`)
      assert.deepEqual([paused.status, paused.body.status], [200, 'paused'])
    }
    assert.equal((await account.deliver(account.book())).status, 200)
    await eventually(async () => {
      const row = await db
        .selectFrom('webhook_logs')
        .select('parked')
        .where('connection_id', '=', connection.id)
        .executeTakeFirst()
      assert.equal(row?.parked, true)
    })
    await desirePrice(account, 111)
    await eventually(async () => {
      const { body } = await api<Verification>('POST', `${path}/verify`)
      assert.deepEqual([body.ok, body.status], [true, 'paused'])
    })
    assert.deepEqual(await bookingsOf(account), [])

    for (const _ of ['once', 'again']) {
      const resumed = await api<View>('POST', `${path}/resume`)
      assert.deepEqual([resumed.status, resumed.body.status], [200, 'active'])
    }
    await eventually(async () => {
      assert.deepEqual(
        (await bookingsOf(account)).map(({ status }) => status),
        ['confirmed'],
      )
      assert.deepEqual(await pricesAt(accountId), [111])
    }, atOnce)
    assert.deepEqual((await eventsOf(account, 'connection.paused')).length, 1)
  })

  const broken: Record<string, (account: Account, id: number) => Promise<unknown>> = {
    missing: ({ atHostaway }, id) => atHostaway('DELETE', `/webhooks/unifiedWebhooks/${id}`),
    disabled: ({ atHostaway }, id) => atHostaway('PUT', `/webhooks/unifiedWebhooks/${id}`, { isEnabled: 0 }),
    address: ({ atHostaway }, id) =>
      atHostaway('PUT', `/webhooks/unifiedWebhooks/${id}`, { url: 'https://wrong.example/' }),
    credentials: ({ atHostaway }, id) =>
      atHostaway('PUT', `/webhooks/unifiedWebhooks/${id}`, { login: 'somebody' }),
    duplicate: ({ atHostaway, connection }) =>
      atHostaway('POST', '/webhooks/unifiedWebhooks', { isEnabled: 1, url: connection.webhookUrl }),
  }

  it('whose webhook was removed or changed at Hostaway gets it back, and the repair is reported', async () => {
    const account = await connectNew()
    const foreign = { isEnabled: 1, url: 'https://somebody-else.example/hook' }
    await account.atHostaway('POST', '/webhooks/unifiedWebhooks', foreign)
    for (const [index, [what, breakIt]] of Object.entries(broken).entries()) {
      const [own, others] = await ownAndOthers(account)
      await breakIt(account, own[0]?.id ?? 0)
      const verified = await api<Verification>('POST', `${account.path}/verify`)
      assert.equal(verified.body.ok, false, what)
      await checkNow(account)
      await eventually(async () => {
        const told = await eventsOf(account, 'connection.webhook_repaired')
        assert.deepEqual(told.map(({ found }) => found)[index], [what])
      }, atOnce)
      const [repaired, untouched] = await ownAndOthers(account)
      const { webhook } = await account.show()
      assert.deepEqual(
        repaired.map((one) => [String(one.id), one.url, one.isEnabled, basicOf(one)]),
        [[webhook.id, account.connection.webhookUrl, 1, account.connection.basic]],
        what,
      )
      assert.deepEqual(untouched, others)
    }
    await eventually(async () =>
      assert.equal((await api<Verification>('POST', `${account.path}/verify`)).body.ok, true),
    )
    const { text } = await api('GET', '/metrics')
    for (const what of Object.keys(broken)) {
      assert.match(text, new RegExp(`^hostaway_webhook_repairs_total\\{reason="${what}"\\} [1-9]$`, 'm'))
    }
  })

  async function ownAndOthers(account: Account) {
    const webhooks = await account.webhooks()
    const isForeign = ({ url }: { url: string }) => url.startsWith('https://somebody-else')
    return [webhooks.filter((one) => !isForeign(one)), webhooks.filter(isForeign)] as const
  }

  it('connected again gets its webhook back, keeps the options that are not named, and changes those that are', async () => {
    const account = await connectNew({ autoImport: true, alertingEmailAddress: 'ops@tvl.example' })
    const [own] = await account.webhooks()
    await account.atHostaway('DELETE', `/webhooks/unifiedWebhooks/${own?.id}`)
    const again = await api<View>('POST', '/v1/connections', {
      tenant: account.connection.tenant,
      channel: 'hostaway',
      accountId: account.accountId,
      apiKey: account.apiKey,
      autoMapListings: false,
    })
    assert.equal(again.status, 200, again.text)
    const { id, status, autoImport, webhook } = again.body
    assert.deepEqual([id, status, autoImport], [account.connection.id, 'active', true])
    const [registered, ...others] = await account.webhooks()
    assert.deepEqual(
      [String(registered?.id), registered?.alertingEmailAddress, basicOf(registered), others.length],
      [webhook.id, 'ops@tvl.example', account.connection.basic, 0],
    )
  })

  it('a connection that is unusually silent is reported once', async () => {
    const account = await connectNew()
    assert.equal((await account.deliver(account.book())).status, 200)
    const [own] = await account.webhooks()
    await account.atHostaway('PUT', `/webhooks/unifiedWebhooks/${own?.id}`, { login: 'somebody' })
    const { id: objectId } = await control.book(account.accountId)
    await eventually(async () => {
      const [refused] = await control.deliveries({ accountId: account.accountId, objectId })
      assert.equal(refused?.attempts[0]?.status, 401)
    })
    await db
      .updateTable('webhook_logs')
      .set({ received_at: sql<Date>`now() - interval '25 hours'` })
      .where('connection_id', '=', account.connection.id)
      .execute()
    const silences = () => eventsOf(account, 'connection.webhook_silent')
    await checkNow(account)
    await eventually(async () => assert.equal((await silences()).length, 1), atOnce)
    await checkNow(account)
    await eventually(async () => {
      const row = await db
        .selectFrom('hostaway_connections')
        .select(sql<boolean>`webhook_check_due_at > now()`.as('checked'))
        .where('id', '=', account.connection.id)
        .executeTakeFirst()
      assert.equal(row?.checked, true)
    })
    assert.deepEqual(
      (await silences()).map(({ usualSeconds, deliveries }) => [usualSeconds, deliveries]),
      [[86_400, { made: 1, failed: 1 }]],
    )
    await eventually(async () => {
      const { body } = await api<Verification>('POST', `${account.path}/verify`)
      assert.deepEqual(
        body.checks.filter(({ ok }) => !ok).map(({ name }) => name),
        ['lastInbound'],
      )
    })
  })

  it('gets new webhook credentials without refusing one delivery, and then refuses the old ones', async () => {
    const account = await connectNew()
    const { connection, path, accountId } = account
    let isRotated = false
    const rotating = api<View>('POST', `${path}/rotate-webhook-credentials`, {}).finally(() => {
      isRotated = true
    })
    const answers: number[] = []
    while (!isRotated) {
      const [registered] = await account.webhooks()
      const present = await account.deliver(account.book(), { authorization: basicOf(registered) })
      if (!isRotated) answers.push(present.status)
    }
    assert.equal((await rotating).status, 200)
    assert.deepEqual([...new Set(answers)], [200])
    // Another process may not know for so long what is accepted now.
    const { webhook_secrets_set_at: acceptedAt } = await db
      .selectFrom('hostaway_connections')
      .select('webhook_secrets_set_at')
      .where('id', '=', connection.id)
      .executeTakeFirstOrThrow()
    const [told] = await control.calls({ accountId, method: 'PUT' })
    assert.ok((told?.arrivedAtMs ?? 0) - acceptedAt.getTime() >= 900)
    const [registered] = await account.webhooks()
    assert.notEqual(basicOf(registered), connection.basic)
    assert.equal((await account.deliver({ id: 1 }, { authorization: basicOf(registered) })).status, 200)
    await eventually(async () => assert.equal((await account.deliver({ id: 1 })).status, 401))
  })

  it('gets a new HMAC secret, and the old one is good for as long as was asked', async () => {
    const account = await connectNew({ webhookAuth: 'hmac', webhookSecret: 'the-secret-before-123' })
    const body = JSON.stringify({ event: 'task.created', accountId: account.accountId, data: { id: 1 } })
    const signed = async (secret: string) => {
      const headers = { 'content-type': 'application/json', ...signature(secret, body) }
      return (await post(account.connection.webhookUrl, body, headers)).status
    }
    const rotate = (request: unknown) =>
      api<View>('POST', `${account.path}/rotate-webhook-credentials`, request)
    const first = await rotate({})
    assert.equal(first.status, 200, first.text)
    const secret = first.body.webhook.secret ?? ''
    await eventually(async () => assert.equal(await signed(secret), 200))
    assert.equal(await signed('the-secret-before-123'), 200)
    const own = await rotate({ webhookSecret: 'a-secret-of-ones-own-1', overlapSeconds: 0 })
    assert.ok(!own.text.includes('a-secret-of-ones-own-1'))
    await eventually(async () => assert.equal(await signed(secret), 401))
    assert.equal(await signed('a-secret-of-ones-own-1'), 200)
    // Its day is not over yet.
    assert.equal(await signed('the-secret-before-123'), 200)
  })

  it('a connection that is disconnected leaves nothing at Hostaway and no secret here, and can be connected again', async () => {
    const account = await connectNew()
    const { connection, path, accountId, apiKey } = account
    assert.equal((await account.deliver(account.book())).status, 200)
    await eventually(async () => assert.equal((await bookingsOf(account)).length, 1))
    const stored = await db
      .selectFrom('hostaway_connections')
      .selectAll()
      .where('id', '=', connection.id)
      .executeTakeFirstOrThrow()
    const token = system.deps.vault.open(stored.access_token_sealed ?? '', {
      table: 'hostaway_connections',
      column: 'access_token_sealed',
      row: connection.id,
    })
    // What waits when it ends must not be pushed when another account takes its place.
    await api('POST', `${path}/pause`)
    await desirePrice(account, 222)
    for (const _ of ['once', 'again']) {
      const gone = await api<View>('DELETE', path)
      assert.equal(gone.status, 200, gone.text)
      const { status, disconnecting, webhook } = gone.body
      assert.deepEqual([status, disconnecting, webhook.id], ['disconnected', false, null])
    }
    assert.deepEqual(await account.webhooks(), [])
    const listings = `${system.sandbox.apiUrl}/listings`
    assert.equal((await fetch(listings, { headers: { authorization: `Bearer ${token}` } })).status, 403)
    const row = await db
      .selectFrom('hostaway_connections')
      .selectAll()
      .where('id', '=', connection.id)
      .executeTakeFirstOrThrow()
    const sealed = Object.entries(row).filter(([column]) => column.endsWith('_sealed'))
    assert.ok(sealed.length >= 7)
    assert.deepEqual(
      sealed.filter(([, value]) => value !== null),
      [],
    )
    await eventually(async () => assert.equal((await account.deliver({ id: 1 })).status, 401))
    assert.equal((await bookingsOf(account)).length, 1)
    for (const [method, action] of [
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/verify'],
      ['POST', '/rotate-webhook-credentials'],
      ['POST', '/full-sync'],
    ]) {
      assertProblem(await api(method ?? '', `${path}${action}`, {}), 409, 'CONNECTION_DISCONNECTED')
    }
    assertProblem(await api('PATCH', path, { autoImport: true }), 409, 'CONNECTION_DISCONNECTED')

    const heir = await system.connect({ tenant: `heir-of-${accountId}`, accountId, apiKey })
    const request = { tenant: connection.tenant, channel: 'hostaway' }
    const taken = await api('POST', '/v1/connections', { ...request, accountId, apiKey })
    assertProblem(taken, 409, 'ACCOUNT_ALREADY_CONNECTED')
    lastAccount += 1
    const other = { accountId: lastAccount, apiKey: `key-of-${lastAccount}` }
    await control.addAccount({ ...other, listings: [{ name: 'Elsewhere' }] })
    const again = await api<View>('POST', '/v1/connections', { ...request, ...other })
    assert.deepEqual([again.status, again.body.id, again.body.status], [200, connection.id, 'active'])
    assert.deepEqual(
      (await account.webhooks()).map(({ url }) => url),
      [heir.webhookUrl],
    )
    assert.equal((await control.state(other.accountId)).webhooks.length, 1)
    assert.ok(!(await pricesAt(accountId)).includes(222))
    assert.deepEqual(await desiredOf(connection), [])
  })

  async function desiredOf({ id }: TestConnection) {
    return db.selectFrom('calendar_days').select('day').where('connection_id', '=', id).execute()
  }

  it('a connection that is disconnected while Hostaway is away is taken down as soon as it is back', async () => {
    const account = await connectNew()
    const { accountId, path, connection } = account
    const fault = await control.injectFault({ kind: 'down', accountId })
    for (const _ of ['once', 'again']) {
      const gone = await api<View>('DELETE', path)
      assert.equal(gone.status, 202, gone.text)
      assert.deepEqual([gone.body.status, gone.body.disconnecting], ['disconnected', true])
    }
    await eventually(async () => assert.equal((await account.deliver({ id: 1 })).status, 401))
    assert.equal((await account.webhooks()).length, 1)
    await control.clearFaults(fault.id)
    await checkNow(account)
    await eventually(async () => assert.equal((await account.show()).disconnecting, false), atOnce)
    assert.deepEqual(await account.webhooks(), [])
    const secrets = await readConnectionSecrets(db, system.deps.vault, connection.id)
    assert.deepEqual([secrets?.apiKey, secrets?.webhookPassword], [null, null])
  })

  it('whose key Hostaway refuses says so, is disconnected all the same, and names what is left', async () => {
    const account = await connectNew()
    await control.changeApiKey(account.accountId, 'another-key')
    await control.revokeTokens(account.accountId)
    const { body } = await api<Verification>('POST', `${account.path}/verify`)
    assert.deepEqual([body.ok, body.status, body.checks[0]?.ok], [false, 'needs_reauth', false])
    const resumed = await api('POST', `${account.path}/resume`)
    assertProblem(resumed, 409, 'CONNECTION_NEEDS_KEY')
    await control.changeApiKey(account.accountId, account.apiKey)
    assert.equal((await api<Verification>('POST', `${account.path}/verify`)).body.status, 'active')

    await control.changeApiKey(account.accountId, 'another-key')
    await control.revokeTokens(account.accountId)
    const [left] = await account.webhooks()
    const gone = await api<View>('DELETE', account.path)
    assert.equal(gone.status, 200, gone.text)
    assert.match(gone.body.statusReason ?? '', new RegExp(`webhook ${left?.id} could not be removed`))
  })

  it('a connection is changed in what is named; what cannot be read is refused with all of it', async () => {
    const account = await connectNew()
    const { path, accountId } = account
    const wrong = await api('PATCH', path, {
      sync: { pricing: { cron: 'whenever' }, reconcile: { cron: '99 * * * *' } },
    })
    const { errors } = assertProblem(wrong, 422, 'VALIDATION_FAILED') as {
      errors?: Array<{ field: string }>
    }
    assert.deepEqual(
      errors?.map(({ field }) => field),
      ['sync.pricing.cron', 'sync.reconcile.cron'],
    )
    assertProblem(await api('PATCH', path, { nonsense: 1 }), 422, 'VALIDATION_FAILED')
    const before = await account.show()
    const changed = await api<View>('PATCH', path, {
      alertingEmailAddress: 'night@tvl.example',
      sync: { pricing: { enabled: false }, reconcile: { cron: '*/5 * * * *' } },
      rateLimit: { rpm: 600, burst: 2 },
    })
    assert.equal(changed.status, 200, changed.text)
    assert.deepEqual(changed.body.sync, {
      ...before.sync,
      pricing: { ...before.sync.pricing, enabled: false },
      reconcile: { enabled: true, cron: '*/5 * * * *' },
    })
    assert.deepEqual(changed.body.rateLimit, { rpm: 600, burst: 2 })
    assert.equal((await account.webhooks())[0]?.alertingEmailAddress, 'night@tvl.example')
    const places = []
    for (let call = 0; call < 3; call += 1) {
      places.push(await system.deps.limiter.acquire({ accountId: String(accountId), urgency: 'urgent' }))
    }
    assert.ok(places.some(({ granted }) => !granted))
    const back = await api<View>('PATCH', path, {
      alertingEmailAddress: null,
      sync: { reconcile: { cron: null } },
      rateLimit: null,
    })
    assert.equal(back.status, 200, back.text)
    assert.deepEqual([back.body.sync.reconcile, back.body.rateLimit], [before.sync.reconcile, null])
    assert.equal((await account.webhooks())[0]?.alertingEmailAddress, null)
  })

  it('whose prices are not to be kept in step keeps desired until they are, and then on its own schedule', async () => {
    const account = await connectNew()
    const { path, accountId, connection, unitId } = account
    await api('PATCH', path, { sync: { pricing: { enabled: false } } })
    await desirePrice(account, 333)
    const ranges = [{ from: inDays(30), to: inDays(30), available: false }]
    await api('POST', `/v1/events?tenant=${connection.tenant}`, {
      type: 'availability.updated',
      unitId,
      ranges,
    })
    const written = async () => Object.values((await control.state(accountId)).listings[0]?.written ?? {})
    await eventually(async () => assert.deepEqual(await written(), [{ isAvailable: 0 }]))
    await api('PATCH', path, { sync: { pricing: { enabled: true, cron: '* * * * * *' } } })
    await eventually(async () => assert.deepEqual(await pricesAt(accountId), [333]), atOnce)
    const pushed = (await control.calls({ accountId, method: 'PUT' })).length
    // What lost its mark is found again by the connection's own schedule, every second.
    await eventually(async () => {
      const { rows } = await sql`
        update calendar_days set pushed_price = 1
        where connection_id = ${connection.id} and pushed_price = 333 returning day
      `.execute(db)
      assert.equal(rows.length, 1)
    })
    await eventually(async () => {
      const calls = await control.calls({ accountId, method: 'PUT' })
      assert.ok(calls.length > pushed)
    }, atOnce)
  })
})

it('no credentials of any of them got into the log or the feed', async () => {
  const rows = await db.selectFrom('hostaway_connections').selectAll().execute()
  const sealed = rows.flatMap((row) =>
    Object.entries(row).flatMap(([column, value]) =>
      column.endsWith('_sealed') && typeof value === 'string'
        ? [system.deps.vault.open(value, { table: 'hostaway_connections', column, row: row.id })]
        : [],
    ),
  )
  assert.ok(sealed.length > 20)
  const events = await db.selectFrom('event_outbox').select('data').execute()
  const written = system.logged.join('') + JSON.stringify(events)
  for (const secret of [...sealed, 'the-secret-before-123', 'a-secret-of-ones-own-1']) {
    assert.ok(!written.includes(secret))
  }
})
