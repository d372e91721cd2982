import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { assertShows, readDocumentedCommands } from '../../support/documented-commands.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { newReservation } from '../../support/reservation-bodies.ts'

const { system, connection, ...inbound } = await startObserved(
  { after },
  { connection: { autoImport: false } },
)

it('docs/approving.md shows what the API answers', async () => {
  const incomplete = newReservation({
    listingMapId: 400002,
    arrivalDate: '2027-07-01',
    departureDate: null,
    guestName: 'Ada Example',
  })
  const unwanted = newReservation()
  for (const body of [incomplete, unwanted]) await inbound.send(body)
  const { body: made } = await system.api<{ token: string }>('POST', '/v1/tokens', {
    tenant: connection.tenant,
    role: 'manager',
    name: 'Grace at the desk',
  })

  const commands = await readDocumentedCommands('docs/approving.md')
  assert.deepEqual(
    commands.map(({ method, path }) => `${method} ${path}`),
    [
      'GET /v1/booking-queue?status=pending',
      'POST /v1/booking-queue/$ID/import',
      'POST /v1/booking-queue/$ID/reject',
      'PUT /v1/connections/$CONNECTION/listings/400001',
      'POST /v1/connections/$CONNECTION/full-sync',
    ],
  )
  for (const { method, path, body, shown } of commands) {
    const about = path.endsWith('/reject') ? unwanted : incomplete
    const row = await inbound.queued(about.id)
    const address = path.replace('$ID', row?.id ?? '').replace('$CONNECTION', connection.id)
    const answer = await system.api(method, address, body, made.token)
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`)
    if (shown !== undefined) assertShows(answer.body, shown)
  }
})
