import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { newReservation, versionAt } from '../../support/reservation-bodies.ts'
import { sandboxAccount } from '../../support/test-system.ts'

const { system, connection, ...inbound } = await startObserved({ after }, { workers: false })
const { accountId } = sandboxAccount

// Newer than what the sandbox just wrote, and not so far ahead that its date would not count.
const soon = () => new Date(Date.now() + 60_000).toISOString().slice(0, 19).replace('T', ' ')

const fetchesOf = async (id: number) => (await system.control.calls({ path: `/reservations/${id}` })).length

async function versionOf(id: number) {
  return system.db
    .selectFrom('bookings')
    .select(['version_kind', 'version_at', 'fetched_at'])
    .where('external_id', '=', String(id))
    .executeTakeFirstOrThrow()
}

// Comes first: the workers start only once the whole burst is stored.
it('a burst of bodies that contradict each other costs one fetch', async () => {
  const truth = await system.control.book(accountId, { silent: true })
  const bodies = Array.from({ length: 20 }, (_, index) => ({ ...truth, totalPrice: 100 + index }))
  const ids = await Promise.all(bodies.map((body) => inbound.accept(announcementOf(body))))
  await system.control.injectFault({ kind: 'latency', latencyMs: 150, path: `/reservations/${truth.id}` })
  await system.startWorkers()
  await Promise.all(ids.map((id) => inbound.ended(id)))
  assert.equal(await fetchesOf(truth.id), 1)
  assert.equal((await inbound.booking(truth.id)).amount.total, Number(truth.totalPrice).toFixed(2))
  await system.control.clearFaults()
})

it('a body without updatedOn is fetched, and what Hostaway says counts', async () => {
  const reservation = await system.control.book(accountId, { silent: true })
  await inbound.send({ ...reservation, updatedOn: undefined, guestName: 'Not what Hostaway says' })
  const booking = await inbound.booking(reservation.id)
  assert.equal(booking.guest.name, reservation.guestName)
  assert.equal((await versionOf(reservation.id)).version_kind, 'source')
  assert.equal(await fetchesOf(reservation.id), 1)
})

it('what Hostaway does not know is provisional until any version with updatedOn comes', async () => {
  const body = newReservation({ updatedOn: undefined })
  const wrapped = { ...announcementOf(body), timestamp: '2027-06-01T00:00:00Z' }
  assert.equal((await inbound.deliver(wrapped)).outcome, 'created')
  const version = await versionOf(body.id)
  assert.deepEqual(
    [version.version_kind, version.version_at.toISOString()],
    ['provisional', '2027-06-01T00:00:00.000Z'],
  )
  assert.equal((await inbound.booking(body.id)).sourceUpdatedAt, null)

  const earlier = { ...wrapped, timestamp: '2027-05-01T00:00:00Z', data: { ...body, guestName: 'Earlier' } }
  assert.equal((await inbound.deliver(earlier)).outcome, 'older')
  // Older by the clock, but a version that Hostaway gave.
  await inbound.send({ ...body, guestName: 'From Hostaway', updatedOn: '2020-01-01 00:00:00' })
  assert.equal((await inbound.booking(body.id)).guest.name, 'From Hostaway')
  const late = { ...wrapped, timestamp: '2028-01-01T00:00:00Z', data: { ...body, guestName: 'Late' } }
  assert.equal((await inbound.deliver(late)).outcome, 'older')
  assert.equal((await inbound.booking(body.id)).guest.name, 'From Hostaway')
})

it('without a time in the envelope a provisional version dates from its receipt', async () => {
  const body = newReservation({ updatedOn: undefined })
  const webhook = await inbound.send(body)
  assert.deepEqual((await versionOf(body.id)).version_at, webhook.received_at)
})

it('an event without a body about what Hostaway does not know waits among the dead letters', async () => {
  const webhook = await inbound.deliver({
    event: 'reservation.created',
    object: 'reservation',
    objectId: 99_999_999,
    accountId,
  })
  assert.deepEqual([webhook.status, webhook.outcome], ['failed', 'not_found'])
  const { body } = await system.api<{ data: Array<{ subject: string; kind: string }> }>(
    'GET',
    '/v1/dead-letters?status=open',
  )
  assert.deepEqual(
    body.data.filter(({ subject }) => subject === webhook.id).map(({ kind }) => kind),
    ['not_found'],
  )
})

it('a fetch under way is not shared with an event that came after it began', async () => {
  const old = await system.control.book(accountId, { silent: true, guestName: 'Before' })
  await inbound.send({ ...old, guestName: 'Contradicts Hostaway' })
  // The answer is made at once and held back, so it shows what was before the event.
  await system.control.injectFault({
    kind: 'latency',
    effect: 'after',
    latencyMs: 1_500,
    count: 1,
    path: `/reservations/${old.id}`,
  })
  const slow = await inbound.accept(announcementOf(old))
  await eventually(async () => assert.equal(await fetchesOf(old.id), 1), { intervalMs: 5 })
  const changed = await system.control.change(accountId, old.id, {
    guestName: 'After',
    keepUpdatedOn: true,
    silent: true,
  })
  assert.equal(changed.updatedOn, old.updatedOn)
  await inbound.send(changed)
  assert.equal((await inbound.booking(old.id)).guest.name, 'After')
  assert.equal(await fetchesOf(old.id), 2)
  // The held-back answer comes last and is older than what was fetched since.
  assert.equal((await inbound.ended(slow)).outcome, 'older')
  assert.equal((await inbound.booking(old.id)).guest.name, 'After')
  assert.equal(connection.accountId, accountId)
})

it('two bodies of one version about what Hostaway does not know wait for a person', async () => {
  const body = newReservation({ updatedOn: versionAt(0) })
  await inbound.send(body)
  const webhook = await inbound.send({ ...body, totalPrice: 5 })
  assert.deepEqual([webhook.status, webhook.outcome], ['failed', 'not_found'])
  assert.equal((await inbound.booking(body.id)).amount.minor, 41_250)
})

it('a contradiction that Hostaway answers with something older is asked again, and waits for a person at last', async () => {
  const old = await system.control.book(accountId, { silent: true })
  const body = { ...old, updatedOn: soon() }
  await inbound.send({ ...body, totalPrice: 700 })
  const webhook = await inbound.send({ ...body, totalPrice: 800 })
  assert.deepEqual([webhook.status, webhook.outcome], ['failed', 'malformed_response'])
  assert.equal(await fetchesOf(old.id), 5)
  assert.equal((await inbound.booking(old.id)).amount.minor, 70_000)
  await system.control.change(accountId, old.id, {
    ...body,
    totalPrice: 800,
    keepUpdatedOn: true,
    silent: true,
  })
  await system.api('POST', `/v1/webhooks/${webhook.id}/replay`)
  await eventually(async () => assert.equal((await inbound.booking(old.id)).amount.minor, 80_000))
})

it('the same content of one version under other spellings is no contradiction', async () => {
  const body = newReservation({ updatedOn: versionAt(0) })
  await inbound.send(body)
  const { arrivalDate, departureDate, listingMapId, phone, ...rest } = body
  const webhook = await inbound.send({
    ...rest,
    id: String(body.id),
    checkIn: arrivalDate,
    checkOut: departureDate,
    listingId: String(listingMapId),
    guestPhone: phone,
    totalPrice: '412.50',
    isStarred: 1,
  })
  assert.equal(webhook.outcome, 'unchanged')
  assert.equal(await fetchesOf(body.id), 0)
})

it('of two equal versions the one that was fetched and could not be mapped is the base of the next', async () => {
  const reservation = await system.control.book(accountId, { silent: true })
  await inbound.send(reservation)
  const renamed = { currency: 'EURO', guestName: 'Ada Renamed' }
  await system.control.change(accountId, reservation.id, { ...renamed, keepUpdatedOn: true, silent: true })
  assert.equal((await inbound.send({ ...reservation, ...renamed })).outcome, 'waiting')
  await inbound.send({ id: reservation.id, currency: 'EUR', updatedOn: soon() })
  const booking = await inbound.booking(reservation.id)
  assert.deepEqual([booking.guest.name, booking.amount.currency], ['Ada Renamed', 'EUR'])
})

it('a version dated ahead is asked about, and never keeps what Hostaway says later from counting', async () => {
  const reservation = await system.control.book(accountId, { silent: true })
  const frozen = { ...reservation, status: 'cancelled', updatedOn: '2099-01-01 00:00:00' }
  assert.equal((await inbound.deliver(announcementOf(frozen))).outcome, 'created')
  const booking = await inbound.booking(reservation.id)
  assert.deepEqual([booking.status, booking.guest.name], ['confirmed', reservation.guestName])
  assert.ok((await versionOf(reservation.id)).version_at.getTime() <= Date.now())

  // Hostaway does not know this one: it counts as it was sent, and any real version replaces it.
  const unknown = newReservation({ updatedOn: '2099-01-01 00:00:00', status: 'cancelled' })
  await inbound.send(unknown)
  assert.equal((await versionOf(unknown.id)).version_kind, 'provisional')
  await inbound.send({ ...unknown, status: 'new', updatedOn: versionAt(1) })
  assert.equal((await inbound.booking(unknown.id)).status, 'confirmed')
})
