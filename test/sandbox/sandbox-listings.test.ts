import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listing } from '../../sandbox/listing-factory.ts'
import { openSandbox } from './sandbox-fixture.ts'

test('listings are paged by limit and offset', async (t) => {
  const { api } = await openSandbox(t)
  const first = await api<Listing[]>('GET', '/listings?limit=4')
  const second = await api<Listing[]>('GET', '/listings?limit=4&offset=4')
  assert.deepEqual([first.body.result.length, second.body.result.length, second.body.count], [4, 2, 6])
  assert.ok(!('updatedOn' in (first.body.result[0] ?? {})))
})

test('a listing update keeps what is not sent', async (t) => {
  const { api } = await openSandbox(t)
  const before = (await api<Listing[]>('GET', '/listings')).body.result[0]
  const { body } = await api<Listing>('PUT', `/listings/${before?.id}`, { internalListingName: 'A1', id: 5 })
  assert.deepEqual(
    [body.result.id, body.result.name, body.result.internalListingName],
    [before?.id, before?.name, 'A1'],
  )
})

test('an empty array deletes its rows even when the update is refused, which comes as a 200', async (t) => {
  const { api } = await openSandbox(t)
  const before = (await api<Listing[]>('GET', '/listings')).body.result[0]
  const refused = await api('PUT', `/listings/${before?.id}`, {
    listingImages: [],
    cancellationPolicy: 'whatever',
    name: 'Changed',
  })
  assert.deepEqual([refused.status, refused.body.status], [200, 'fail'])
  const after = (await api<Listing>('GET', `/listings/${before?.id}`)).body.result
  assert.deepEqual([after.listingImages, after.name], [[], before?.name])
})

test('an archived listing refuses changes to itself, its calendar and new reservations', async (t) => {
  const { api } = await openSandbox(t)
  const id = (await api<Listing[]>('GET', '/listings')).body.result[0]?.id
  await api('PUT', `/listings/${id}`, { specialStatus: 'archived' })
  assert.equal((await api('PUT', `/listings/${id}`, { name: 'New' })).body.status, 'fail')
  const calendar = { startDate: '2027-05-01', endDate: '2027-05-01', isAvailable: 0 }
  assert.equal((await api('PUT', `/listings/${id}/calendar`, calendar)).body.status, 'fail')
  const stay = { listingMapId: id, channelId: 2000, arrivalDate: '2027-05-01', departureDate: '2027-05-02' }
  assert.equal((await api('POST', '/reservations', stay)).body.status, 'fail')
  assert.equal((await api('GET', `/listings/${id}/calendar`)).body.status, 'success')
})
