import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { afterAll } from '../support/after-all.ts'
import { resolve, type Schema, valuesOf } from '../support/documented-values.ts'
import { startTestSystem, type TestSystem } from '../support/test-system.ts'

type Parameter = { name: string; in: string; required?: boolean; schema: Schema }
type Operation = {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> }
}
type Route = { method: string; path: string; operation: Operation }
type Refusal = { code?: string; errors?: Array<{ field: string }> }

const rounds = Number(process.env.DOCUMENT_ROUNDS ?? 4)
const nothing = '01890000-0000-7000-8000-000000000000'

describe('the description of the API says exactly what is taken', () => {
  const context = afterAll()
  let system: TestSystem
  let document: Schema
  let routes: Route[]
  let ids: Record<string, string>
  let bookingId: string
  let values: ReturnType<typeof valuesOf>

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    const connection = await system.connect()
    document = (await system.api<Schema>('GET', '/openapi.json', undefined, null)).body
    routes = Object.entries(document.paths as Record<string, Record<string, Operation>>)
      .filter(([path]) => path.startsWith('/v1/'))
      .flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({
          method: method.toUpperCase(),
          path,
          operation,
        })),
      )
    type Listings = { data: Array<{ listingId: string; unitId: string; currency: string }> }
    const { body } = await system.api<Listings>('GET', `/v1/connections/${connection.id}/listings`)
    const [listing] = body.data
    assert.ok(listing)
    ids = { id: connection.id, listingId: listing.listingId, unitId: listing.unitId, version: '1' }
    const from = new Date(Date.now() + 500 * 86_400_000).toISOString().slice(0, 10)
    const to = new Date(Date.now() + 502 * 86_400_000).toISOString().slice(0, 10)
    const stay = { unitId: listing.unitId, checkIn: from, checkOut: to, guest: { name: 'Ana' } }
    const made = await system.api<{ id: string }>('POST', '/v1/bookings?tenant=demo', stay)
    bookingId = made.body.id
    values = valuesOf(document, {
      tenant: ['demo'],
      role: ['owner', 'manager', 'viewer', 'service'],
      connection: [connection.id],
      listingId: [listing.listingId],
      unitId: [listing.unitId],
      currency: [listing.currency],
      // What no schema says: one of two spellings, and the smaller of two numbers first.
      fields: [{}],
      // The decimals of an amount depend on its currency.
      amount: [{ total: '120.50', currency: listing.currency }],
      price: [120],
      minStay: [1, 2],
      maxStay: [7, 30],
      minNights: [1],
      maxNights: [60],
      types: ['booking.*', '*', 'booking.created,availability.blocked'],
    })
  })

  const address = ({ path }: Route) =>
    path.startsWith('/v1/bookings/')
      ? path.replace('{id}', bookingId)
      : path.replaceAll(/\{(\w+)\}/g, (_, name) => ids[name] ?? nothing)
  const queryOf = ({ operation: { parameters = [] } }: Route) =>
    parameters.filter((one) => one.in === 'query' && !['cursor', 'after'].includes(one.name))
  const bodyOf = ({ operation }: Route) => operation.requestBody?.content['application/json']?.schema
  const send = (route: Route, query: Record<string, unknown>, body?: unknown) => {
    const search = new URLSearchParams(
      Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
    )
    return system.api<Refusal>(route.method, `${address(route)}?${search}`, body)
  }

  it('every request that it forbids is refused by the name of what is wrong', async () => {
    for (const route of routes) {
      for (const { name, schema } of queryOf(route)) {
        if (!('format' in schema || 'enum' in schema || schema.type === 'integer')) continue
        const answer = await send(route, { [name]: '§' })
        assert.deepEqual(
          [answer.status, answer.body.errors?.map(({ field }) => field)],
          [422, [name]],
          `${route.method} ${route.path}`,
        )
      }
      const body = bodyOf(route)
      const whole = body === undefined ? undefined : resolved(body)
      if (body === undefined || whole?.properties === undefined) continue
      const [good] = fc.sample(values(body), { numRuns: 1, seed: 5 }) as Array<Record<string, unknown>>
      const wrong = Object.entries(whole.properties as Record<string, Schema>).map(([name, schema]) => {
        const types = [resolved(schema).type ?? 'string'].flat() as string[]
        return [name, types.includes('object') || types.includes('array') ? 7.5 : { wrong: true }] as const
      })
      for (const [name, value] of [...wrong, ['notAField', 1] as const]) {
        const answer = await send(
          route,
          queryOf(route).some((one) => one.name === 'tenant') ? { tenant: 'demo' } : {},
          { ...good, [name]: value },
        )
        const named = answer.body.errors?.some(({ field }) => field === name || field.startsWith(`${name}.`))
        assert.ok(
          answer.body.code === 'VALIDATION_FAILED' && named,
          `${route.method} ${route.path} ${name}: ${answer.text.slice(0, 300)}`,
        )
      }
    }
  })

  it('every request that it allows is taken, or refused by what there is', async () => {
    // What ends the connection comes last.
    const ordered = routes
      // An order may name a listing twice, which no schema can exclude.
      .filter(({ operation }) => operation.operationId !== 'mapListings')
      .toSorted((one, other) => Number(one.method === 'DELETE') - Number(other.method === 'DELETE'))
    for (const route of ordered) {
      const query = queryOf(route)
      const querySchema = {
        type: 'object',
        properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema])),
        required: query
          .filter(({ required, name }) => required === true || name === 'tenant')
          .map(({ name }) => name),
      }
      const body = bodyOf(route)
      const request = fc.record({
        query: values(querySchema),
        body: body === undefined ? fc.constant(undefined) : values(body),
      })
      for (const sample of fc.sample(request, { numRuns: rounds, seed: 11 })) {
        const answer = await send(
          route,
          sample.query as Record<string, unknown>,
          besideStored(route, sample.body),
        )
        const told = `${route.method} ${route.path}: ${answer.status} ${answer.text.slice(0, 400)} to ${JSON.stringify(sample).slice(0, 600)}`
        assert.ok(answer.status < 500 && answer.status !== 400, told)
        assert.notEqual(answer.body.code, 'VALIDATION_FAILED', told)
      }
    }
  })

  // Whether one day of a stay comes before the other that is stored is for no schema to say.
  function besideStored({ operation }: Route, body: unknown): unknown {
    if (operation.operationId !== 'changeBooking') return body
    const { checkIn: _checkIn, checkOut: _checkOut, ...rest } = body as Record<string, unknown>
    return Object.keys(rest).length === 0 ? { note: 'late' } : rest
  }

  function resolved(schema: Schema): Schema {
    return typeof schema.$ref === 'string' ? resolve(document, schema.$ref) : schema
  }
})
