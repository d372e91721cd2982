import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { sql } from 'kysely'
import { lockReservations } from '../../../src/bookings/booking-store.ts'
import { continueRemaps } from '../../../src/bookings/remap/remap-bookings.ts'
import { remapReservations } from '../../../src/bookings/remap/remap-reservations.ts'
import { findConnection } from '../../../src/connections/connection-store.ts'
import { defaultSpec } from '../../../src/mapping/mapping-spec.ts'
import { assertProblem } from '../../support/assert-problem.ts'
import { eventually } from '../../support/eventually.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { newReservation, newReservationId, versionAt } from '../../support/reservation-bodies.ts'

const never = 86_400_000
const commission = {
  calculate: 'reservation.totalPrice * (property.commission_rate ?? 0.15)',
  type: 'money',
}

type Remap = {
  id: string
  status: string
  done: number
  total: number
  changed: number
  waiting: number
  failed: number
}
type Preview = {
  draft: { fields: Record<string, unknown>; amountTotal: string }
  problems: Array<{ field: string; code: string }>
  warnings: Array<{ field: string; code: string }>
  examined: number
  changed: number
  incomplete: number
  data: Array<{ externalId: string; bookingId: string | null; changes: unknown[]; problems: unknown[] }>
}

describe('the mapping of a connection', async () => {
  // Remaps run where the test says so.
  const { system, connection, db, ...inbound } = await startObserved(
    { after },
    { upkeepTimes: { remapEveryMs: never } },
  )
  const path = `/v1/connections/${connection.id}/mapping`
  const put = (spec: unknown, more: Record<string, unknown> = {}) =>
    system.api<{ version: number; spec: unknown; code: string }>('PUT', path, { spec, ...more })
  const preview = async (body: Record<string, unknown>) =>
    (await system.api<Preview>('POST', `${path}/preview`, body)).body
  const remapping = { db: system.deps.db, channels: system.deps.channels, log: system.deps.log }

  async function startRemap(): Promise<Remap> {
    const answer = await system.api<Remap>('POST', `${path}/remap`)
    assert.equal(answer.status, 202, answer.text)
    return answer.body
  }
  const shown = async ({ id }: { id: string }) =>
    (await system.api<Remap>('GET', `${path}/remaps/${id}`)).body

  it('the mapping of a connection is the default one until it is replaced, and keeps its versions', async () => {
    const first = await system.api<{ version: number; spec: unknown }>('GET', path)
    assert.deepEqual([first.status, first.body.version, first.headers.get('etag')], [200, 0, '"0"'])
    assert.deepEqual(first.body.spec, defaultSpec)

    const spec = { fields: { client_name: { from: 'guestName', type: 'text' } } }
    const stored = await put(spec, { expectedVersion: 0 })
    assert.deepEqual([stored.status, stored.body.version, stored.body.spec], [200, 1, spec])
    assert.equal((await put(spec)).body.version, 1, 'the same spec is no other version')
    assertProblem(await put({}, { expectedVersion: 0 }), 409, 'MAPPING_CHANGED')
    assert.equal((await put({ fields: { ...spec.fields, commission } })).body.version, 2)

    const versions = await system.api<{ data: Array<{ version: number }> }>('GET', `${path}/versions`)
    assert.deepEqual(
      versions.body.data.map(({ version }) => version),
      [2, 1],
    )
    const old = await system.api<{ spec: unknown }>('GET', `${path}/versions/1`)
    assert.deepEqual(old.body.spec, spec)
    assert.equal((await system.api('GET', `${path}/versions/9`)).status, 404)
  })

  it('the mapping of a connection is replaced with If-Match only by who has seen it', async () => {
    const write = (match: string) =>
      fetch(`${system.url}${path}`, {
        method: 'PUT',
        headers: {
          authorization: `Bearer ${system.config.ADMIN_API_TOKEN}`,
          'content-type': 'application/json',
          'if-match': match,
        },
        body: JSON.stringify({ spec: { fields: { commission } } }),
      })
    assert.equal((await write('"1"')).status, 412)
    assert.equal((await write('"2"')).headers.get('etag'), '"3"')
  })

  it('the mapping of a connection is refused with the place of everything that is wrong, also beside the spec', async () => {
    const answer = await put(
      { fields: { a: { from: 'ccNumber', type: 'text' }, b: { calculate: '$eval("1")', type: 'txt' } } },
      { expectedVersion: 'x', extra: 1 },
    )
    const { errors = [] } = assertProblem(answer, 422, 'VALIDATION_FAILED')
    assert.deepEqual(errors.map(({ field }) => field).sort(), [
      'expectedVersion',
      'extra',
      'spec.fields.a.from',
      'spec.fields.b.type',
    ])
    assert.equal((await system.api('PUT', path)).status, 422)
  })

  it('maps what comes in from then on, and the booking says by which version', async () => {
    const { body: mapping } = await put({
      fields: { commission, guests: { from: 'numberOfGuests', type: 'integer' } },
    })
    const body = newReservation()
    await inbound.send(body)
    const booking = await inbound.booking(body.id)
    assert.deepEqual(booking.fields, {
      commission: { total: '61.88', minor: 6188, currency: 'EUR' },
      guests: 3,
    })
    assert.deepEqual([booking.mappingVersion, booking.mappingWarnings], [mapping.version, []])
  })

  it('the mapping of a connection lets a reservation wait that lacks a required field, and a mended mapping releases it', async () => {
    const spec = (required: boolean) => ({ fields: { door: { from: 'doorCode', type: 'text', required } } })
    await put(spec(true))
    const body = newReservation()
    const webhook = await inbound.send(body)
    assert.equal(webhook.status, 'queued')
    assert.deepEqual((await inbound.queued(body.id))?.problems, [
      { field: 'fields.door', code: 'missing', message: 'doorCode is missing' },
    ])
    assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')

    await put(spec(false))
    const remap = await startRemap()
    await continueRemaps(remapping, never)
    assert.equal((await shown(remap)).status, 'completed')
    assert.equal((await inbound.booking(body.id)).status, 'confirmed')
    assert.equal((await inbound.queued(body.id))?.status, 'imported')
    const { body: ended } = await system.api<{ status: string }>('GET', `/v1/webhooks/${webhook.id}`)
    assert.equal(ended.status, 'processed')
    assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')
  })

  it('the mapping of a connection is tried over a reservation, a webhook and the last bookings without changing anything', async () => {
    await put({ fields: { guests: { from: 'numberOfGuests', type: 'integer' } } })
    const body = newReservation({ numberOfGuests: 4, pets: null })
    const webhook = await inbound.send(body)
    const before = await inbound.booking(body.id)
    const spec = {
      booking: { amountTotal: { calculate: 'reservation.totalPrice - 12.5' } },
      fields: {
        guests: { from: 'numberOfGuests', type: 'text' },
        pets: { from: 'pets', type: 'integer', required: true },
      },
    }
    const stored = await preview({ spec, webhookId: webhook.id })
    assert.deepEqual([stored.draft.amountTotal, stored.draft.fields], ['400.00', { guests: '4', pets: null }])
    assert.deepEqual(
      stored.problems.map(({ field, code }) => [field, code]),
      [['fields.pets', 'missing']],
    )
    const given = await preview({ spec, reservation: { ...body, pets: 1, totalPrice: 'much' } })
    assert.deepEqual(
      given.problems.map(({ field }) => field),
      ['amountTotal'],
    )
    assert.deepEqual((await preview({ reservation: body })).draft.fields, { guests: 4 })

    const last = await preview({ spec, last: 1 })
    assert.deepEqual([last.examined, last.changed, last.incomplete], [1, 1, 1])
    assert.deepEqual(last.data[0], {
      externalId: String(body.id),
      bookingId: before.id,
      changes: [
        { field: 'amountTotal', before: '412.50', after: '400.00' },
        { field: 'fields.guests', before: 4, after: '4' },
      ],
      problems: stored.problems,
      warnings: [],
    })
    assert.deepEqual(await inbound.booking(body.id), before)
    for (const bad of [
      {},
      { last: 0 },
      { last: 101 },
      { webhookId: 'x' },
      { last: 1, webhookId: webhook.id },
    ]) {
      assertProblem(await system.api('POST', `${path}/preview`, bad), 422, 'VALIDATION_FAILED')
    }
    const unmappable = [
      { reservation: {} },
      { spec: { fields: { a: { calculate: '$eval("1")', type: 'text' } } }, last: 1 },
    ]
    for (const bad of unmappable) {
      assertProblem(await system.api('POST', `${path}/preview`, bad), 422, 'MAPPING_NOT_APPLICABLE')
    }
    const unknown = { webhookId: '01890000-0000-7000-8000-000000000000' }
    assert.equal((await system.api('POST', `${path}/preview`, unknown)).status, 404)
  })

  it('maps bookings again page by page, goes on where it was, and tells others only of what changed', async () => {
    await put({ fields: { adults: { from: 'adults', type: 'integer' } } })
    const ids = Array.from({ length: 54 }, newReservationId)
    await Promise.all(ids.map((id, index) => inbound.send(newReservation({ id, pets: index % 2 }))))
    const unchanged = await inbound.booking(ids[0] ?? 0)
    const { body: mapping } = await put({
      fields: {
        adults: { from: 'adults', type: 'integer' },
        dogs: { calculate: 'reservation.pets > 0 ? "yes"', type: 'text' },
      },
    })
    const remap = await startRemap()
    assert.equal((await startRemap()).id, remap.id, 'one runs already')
    assert.equal((await shown(remap)).done, 0)

    // One page, then a process that dies in the middle of the next.
    await continueRemaps(remapping, 0.001)
    const { done } = await shown(remap)
    assert.ok(done > 0 && done < remap.total, `${done} of ${remap.total}`)
    const owner = await findConnection(system.deps.db, connection.id)
    assert.ok(owner)
    const dies = remapReservations(
      system.deps.db,
      { connection: owner, format: system.deps.channels.of(owner.channel).format },
      ids.map(String),
      async () => {
        throw new Error('killed')
      },
    )
    await assert.rejects(dies, /killed/)
    assert.equal((await shown(remap)).done, done)

    await continueRemaps(remapping, never)
    const ended = await shown(remap)
    assert.deepEqual([ended.status, ended.done, ended.failed], ['completed', remap.total, 0])
    for (const [index, id] of ids.entries()) {
      const booking = await inbound.booking(id)
      assert.equal(booking.mappingVersion, mapping.version)
      assert.equal(booking.fields.dogs ?? null, index % 2 === 1 ? 'yes' : null)
      const types = await inbound.eventTypes(id)
      assert.equal(types.filter((type) => type === 'booking.updated').length, 1)
    }
    assert.notEqual((await inbound.booking(ids[0] ?? 0)).updatedAt, unchanged.updatedAt)

    const again = await startRemap()
    const stamped = await inbound.booking(ids[1] ?? 0)
    await continueRemaps(remapping, never)
    assert.deepEqual([(await shown(again)).status, (await shown(again)).changed], ['completed', 0])
    assert.deepEqual(await inbound.booking(ids[1] ?? 0), stamped, 'nothing was written')
  })

  it('a remap and newer versions of the same reservations end with the newest, mapped by the newest mapping', async () => {
    const ids = Array.from({ length: 20 }, newReservationId)
    await Promise.all(ids.map((id) => inbound.send(newReservation({ id, updatedOn: versionAt(0) }))))
    const { body: mapping } = await put({ fields: { total: { from: 'totalPrice', type: 'decimal' } } })
    const remap = await startRemap()
    await Promise.all([
      continueRemaps(remapping, never),
      ...ids.map((id) => inbound.send(newReservation({ id, totalPrice: 500, updatedOn: versionAt(1) }))),
    ])
    assert.equal((await shown(remap)).status, 'completed')
    for (const id of ids) {
      const { fields, amount, mappingVersion } = await inbound.booking(id)
      assert.deepEqual([fields, amount.minor, mappingVersion], [{ total: '500' }, 50_000, mapping.version])
      assert.deepEqual(
        (await inbound.eventTypes(id)).filter((type) => type === 'booking.created'),
        ['booking.created'],
      )
    }
  })

  it('the mapping of a connection waits with a new mapping for writers that use the previous one', async () => {
    const held = Promise.withResolvers<void>()
    const writing = db.transaction().execute(async (trx) => {
      await lockReservations(trx, [{ connectionId: connection.id, externalId: '1' }])
      await held.promise
    })
    const waits = async () => {
      const { rows } = await sql`select 1 from pg_locks where locktype = 'advisory' and not granted`.execute(
        db,
      )
      return rows.length > 0
    }
    await eventually(async () => assert.equal(await waits(), false))
    const replaced = put({ fields: { held: { constant: 1, type: 'integer' } } })
    await eventually(async () => assert.equal(await waits(), true))
    held.resolve()
    await writing
    assert.equal((await replaced).status, 200)
  })

  it('a cancellation that cannot be mapped keeps what the booking had', async () => {
    await put({ fields: { door: { from: 'doorCode', type: 'text', required: true } } })
    const body = newReservation({ doorCode: '4711', updatedOn: versionAt(0) })
    await inbound.send(body)
    await inbound.send({ ...body, doorCode: null, status: 'cancelled', updatedOn: versionAt(1) })
    const { status, fields } = await inbound.booking(body.id)
    assert.deepEqual([status, fields], ['cancelled', { door: '4711' }])
  })

  it('a remap takes a new commission rate of the property up', async () => {
    await put({ fields: { commission } })
    const body = newReservation({ totalPrice: 100 })
    await inbound.send(body)
    const total = async () => (await inbound.booking(body.id)).fields.commission
    assert.deepEqual(await total(), { total: '15.00', minor: 1500, currency: 'EUR' })
    await db
      .updateTable('listings')
      .set({ commission_rate: '0.2' })
      .where('listing_id', '=', '400001')
      .execute()
    await startRemap()
    await continueRemaps(remapping, never)
    assert.deepEqual(await total(), { total: '20.00', minor: 2000, currency: 'EUR' })
  })

  it('a remap for an earlier mapping gives way to one for the mapping in force, and can be cancelled', async () => {
    const first = await startRemap()
    await put({ fields: {} })
    const second = await startRemap()
    assert.notEqual(second.id, first.id)
    assert.equal((await shown(first)).status, 'cancelled')
    const cancelled = await system.api<Remap>('POST', `${path}/remaps/${second.id}/cancel`)
    assert.deepEqual([cancelled.status, cancelled.body.status], [200, 'cancelled'])
    await continueRemaps(remapping, never)
    assert.equal((await shown(second)).done, 0)
    const { body } = await system.api<{ data: Remap[] }>('GET', `${path}/remaps?limit=1`)
    assert.equal(body.data[0]?.id, second.id)
  })
})

describe('upkeep', async () => {
  const {
    system,
    connection,
    db: _db,
    ...inbound
  } = await startObserved({ after }, { upkeepTimes: { remapEveryMs: 50 } })

  it('carries remaps out by itself', async () => {
    const body = newReservation()
    await inbound.send(body)
    const path = `/v1/connections/${connection.id}/mapping`
    await system.api('PUT', path, { spec: { fields: { brand: { constant: 'Seaside', type: 'text' } } } })
    await system.api('POST', `${path}/remap`)
    await eventually(async () =>
      assert.deepEqual((await inbound.booking(body.id)).fields, { brand: 'Seaside' }),
    )
  })
})
