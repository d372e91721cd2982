import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { readSettings } from '../../sandbox/settings.ts'
import { accountId, openReceiver, openSandbox, requestToken, until } from './sandbox-fixture.ts'

const entry = new URL('../../sandbox/sandbox-main.ts', import.meta.url).pathname

test('the same seed makes the same bookings, and each round makes other ones', async (t) => {
  const rounds = async () => {
    const { control } = await openSandbox(t, { seed: 'seven' })
    const facts = async () =>
      (await control.randomBookings(accountId, { count: 20 })).map((body) => [
        body.id,
        body.guestName,
        body.arrivalDate,
        body.nights,
        body.totalPrice,
        body.channelId,
        body.reservationId,
      ])
    return [await facts(), await facts()]
  }
  const [first, second] = [await rounds(), await rounds()]
  assert.deepEqual(first, second)
  assert.notDeepEqual(first[0], first[1])
})

test('made-up bookings never overlap on a unit, even when the year is full', async (t) => {
  const { control } = await openSandbox(t)
  await control.randomBookings(accountId, { count: 800, silent: true })
  const { listings } = await control.state(accountId)
  for (const { calendar } of listings) {
    for (const day of calendar) assert.ok(Number(day.countReservedUnits) <= Number(day.countAvailableUnits))
  }
})

test('history can be made in silence and with a mix of statuses', async (t) => {
  const { control, api } = await openSandbox(t)
  const receiver = await openReceiver(t)
  await api('POST', '/webhooks/unifiedWebhooks', { isEnabled: 1, url: receiver.url })
  const made = await control.randomBookings(accountId, {
    count: 30,
    silent: true,
    statuses: ['new', 'cancelled', 'inquiry'],
  })
  await control.whenDelivered()
  assert.equal(receiver.events().length, 0)
  assert.deepEqual([...new Set(made.map(({ status }) => status))].toSorted(), ['cancelled', 'inquiry', 'new'])
})

test('every field of a booking can be given', async (t) => {
  const { control } = await openSandbox(t)
  const made = await control.book(accountId, {
    arrivalDate: '2027-06-10',
    departureDate: '2027-06-12',
    guestLastName: null,
    status: 'pending',
    totalPrice: 512.25,
    updatedOn: '2026-01-01 10:00:00',
    somethingNew: { deep: true },
  })
  assert.deepEqual(
    [made.guestLastName, made.status, made.totalPrice, made.updatedOn, made.somethingNew],
    [null, 'pending', 512.25, '2026-01-01 10:00:00', { deep: true }],
  )
  await assert.rejects(control.book(accountId, { status: 'confirmed' }), /422/)
})

test('the journal can be filtered', async (t) => {
  const { control, api } = await openSandbox(t)
  await api('GET', '/listings')
  await api('GET', '/listings/1')
  const [token, list, one] = await control.calls()
  assert.deepEqual(
    [token, list, one].map((call) => [
      call?.method,
      call?.path,
      call?.accountId,
      call?.status,
      call?.outcome,
    ]),
    [
      ['POST', '/accessTokens', accountId, 200, 'answered'],
      ['GET', '/listings', accountId, 200, 'answered'],
      ['GET', '/listings/1', accountId, 404, 'answered'],
    ],
  )
  assert.equal((await control.calls({ path: '/listings/*' })).length, 1)
  assert.equal((await control.calls({ path: '/listings**' })).length, 2)
  assert.equal((await control.calls({ afterSequence: list?.sequence ?? 0 })).length, 1)
  assert.equal((await control.calls({ accountId: 5 })).length, 0)
})

test('a reset brings back the start', async (t) => {
  const { sandbox, control, api } = await openSandbox(t)
  await control.book(accountId)
  await control.addAccount({ accountId: 20_002, apiKey: 'other' })
  await control.injectFault({ kind: 'down' })
  await control.setSwitches({ pageInfo: true, rateLimitProfile: '2025' })
  await control.reset()
  assert.equal((await control.state(accountId)).reservations.length, 0)
  assert.deepEqual(await control.faults(), [])
  assert.equal((await control.rateLimits()).profile, 'off')
  await assert.rejects(control.state(20_002), /404/)
  assert.equal((await api('GET', '/listings')).status, 403)
  assert.equal((await requestToken(sandbox.apiUrl, accountId, 'sandbox-key-10001')).status, 200)
})

test('all wrong settings are named at once', () => {
  const { problems } = readSettings({
    SANDBOX_PORT: 'many',
    SANDBOX_TIME_SCALE: '-1',
    SANDBOX_RATE_LIMIT_PROFILE: 'fast',
    SANDBOX_START_DAY: '2027-02-30',
  })
  assert.equal(problems.length, 4)
  const { settings } = readSettings({ SANDBOX_PORT: '0', SANDBOX_TIME_SCALE: '0.01', SANDBOX_SEED: 'x' })
  assert.deepEqual([settings.port, settings.timeScale, settings.seed], [0, 0.01, 'x'])
})

test('as a process of its own it ends at once and cleanly on SIGTERM', async (t) => {
  const child = spawn(process.execPath, [entry], { env: { ...process.env, SANDBOX_PORT: '0' } })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (piece: Buffer) => {
    output += piece.toString()
  })
  await until(() => output.includes('sandbox started'), 10_000)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  for (const line of output.trim().split('\n')) assert.equal(typeof JSON.parse(line).event, 'string')
})

test('a port that is taken is named with its setting', async (t) => {
  const { sandbox } = await openSandbox(t)
  const port = new URL(sandbox.url).port
  const child = spawn(process.execPath, [entry], { env: { ...process.env, SANDBOX_PORT: port } })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (piece: Buffer) => {
    output += piece.toString()
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 1)
  assert.match(output, new RegExp(`Port ${port} \\(SANDBOX_PORT\\) is taken`))
})
