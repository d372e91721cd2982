import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll } from '../support/after-all.ts'
import { adminToken, startTestSystem } from '../support/test-system.ts'

// What a developer writes at the first try: no `as`, no `any`, nothing that the documentation would have to explain.
const naiveClient = `
  import { ok } from '@oazapfts/runtime'
  import { type Booking, connect, createTenant, createToken, defaults, type Event, importQueuedReservation, listBookings, listConnections, listListings, makeBooking, mapListing, type NewBooking, postEvents, readFeed } from './client.js'

export async function tryEverything(baseUrl: string, adminToken: string) {
  defaults.baseUrl = baseUrl
  const day = (ahead: number) => new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10)
  const as = (token: string) => ({ headers: { authorization: 'Bearer ' + token } })
  await ok(createTenant({ slug: 'naive', name: 'Naive' }, as(adminToken)))
  const owner = await ok(createToken({ tenant: 'naive', role: 'owner', name: 'naive' }, as(adminToken)))
  const opts = as(owner.token)
  const { id } = await ok(connect({ channel: 'hostaway', accountId: '10001', apiKey: 'sandbox-key-10001' }, opts))
  const [listing] = (await ok(listListings(id, {}, opts))).data
  if (listing === undefined) throw new Error('there is no listing')
  await ok(mapListing(id, listing.listingId, { unitId: 'naive-unit' }, opts))
  const { accepted } = await ok(postEvents([
    { type: 'availability.updated', unitId: 'naive-unit', ranges: [{ from: day(30), to: day(33), available: false }] },
    { type: 'pricing.updated', unitId: 'naive-unit', currency: listing.currency ?? 'EUR', ranges: [{ from: day(30), to: day(33), price: '120' }] },
  ], {}, opts))
  const stay: NewBooking = { unitId: 'naive-unit', checkIn: day(60), checkOut: day(63), guest: { name: 'Nora Naive' } }
  const made: Booking = await ok(makeBooking(stay, {}, opts))
  const bookings: Booking[] = (await ok(listBookings({ status: 'confirmed' }, opts))).data
  const connections = (await ok(listConnections({}, opts))).data
  const events: Event[] = (await ok(readFeed({}, opts))).data
  const refused = await makeBooking({ ...stay, unitId: 'no-such-unit' }, {}, opts)
  const unknown = await importQueuedReservation(made.id, { fields: { guestName: 'Nora', door: 7 } }, opts)
  return {
    accepted,
    names: bookings.map(({ guest }) => guest.name),
    connections: connections.map(({ status }) => status),
    types: events.map(({ type }) => type),
    codes: [refused.status === 422 && refused.data.code, unknown.status === 404 && unknown.data.code],
  }
}
`
type Tried = Record<'names' | 'types' | 'connections', string[]> & { accepted: number; codes: string[] }

describe('a client generated from the description of the API', () => {
  const context = afterAll()

  it('a client generated from the description compiles strictly in naive hands, and works', async () => {
    const system = await startTestSystem(context, { workers: false })
    const root = join(import.meta.dirname, '../..')
    const folder = await mkdtemp(join(tmpdir(), 'generated-client-'))
    context.after(() => rm(folder, { recursive: true }))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    const run = promisify(execFile)
    const bin = (name: string) => join(root, 'node_modules/.bin', name)
    const { text } = await system.api('GET', '/openapi.json', undefined, null)
    await writeFile(join(folder, 'openapi.json'), text)
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await writeFile(join(folder, 'naive.ts'), naiveClient)
    await run(process.execPath, [bin('oazapfts'), '--allSchemas', 'openapi.json', 'client.ts'], {
      cwd: folder,
    })
    const options =
      '--ignoreConfig --strict --target es2024 --module nodenext --skipLibCheck --types node'.split(' ')
    const compiled = await run(bin('tsc'), [...options, 'naive.ts'], { cwd: folder }).catch(
      ({ stdout }: { stdout: string }) => ({ stdout }),
    )
    assert.equal(compiled.stdout, '')
    const { tryEverything } = (await import(pathToFileURL(join(folder, 'naive.js')).href)) as {
      tryEverything: (url: string, token: string) => Promise<Tried>
    }
    const { types, ...tried } = await tryEverything(system.url, adminToken)
    assert.deepEqual(tried, {
      accepted: 2,
      names: ['Nora Naive'],
      connections: ['active'],
      codes: ['VALIDATION_FAILED', 'NOT_FOUND'],
    })
    assert.ok(types.includes('booking.created'), types.join())
  })
})
