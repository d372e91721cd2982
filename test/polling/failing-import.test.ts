import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { sql } from 'kysely'
import { afterAll } from '../support/after-all.ts'
import { eventually } from '../support/eventually.ts'
import { observeHistory } from '../support/history-fixture.ts'
import { sandboxAccount, startTestSystem, type TestSystem } from '../support/test-system.ts'

type Letter = { id: string; kind: string; job: string; message: string; payload: Record<string, string> }

const { accountId } = sandboxAccount
const count = 700
const unstorable = 66

const context = afterAll()
let system: TestSystem
let history: ReturnType<typeof observeHistory>
let connectionId = ''

before(async () => {
  system = await startTestSystem(context, { imports: true, historyTimes: { retryDelayMs: 1 } })
  history = observeHistory(system)
  await system.control.makeHistory(accountId, { count })
})

const openLetters = async () => {
  const { body } = await system.api<{ data: Letter[] }>('GET', '/v1/dead-letters?status=open&queue=history')
  return body.data
}

it('a page that is refused ends the import with a dead letter, and a replay goes on from there', async () => {
  await system.control.injectFault({ kind: 'status', status: 400, path: '/reservations', skip: 1 })
  connectionId = (await system.connect()).id
  const failed = await history.when(connectionId, 'failed')
  assert.equal(failed.done, 500)
  const [letter, ...others] = await openLetters()
  assert.deepEqual(others, [])
  assert.deepEqual([letter?.kind, letter?.job], ['rejected', 'import'])
  assert.deepEqual(letter?.payload, { connectionId, importId: failed.id })

  await system.control.clearFaults()
  assert.equal((await system.api('POST', `/v1/dead-letters/${letter?.id}/replay`)).status, 202)
  const ended = await history.when(connectionId, 'completed')
  assert.deepEqual([ended.id, ended.done, ended.lastError], [failed.id, count, null])
  await history.assertSameAsHostaway(connectionId)
  const pages = await history.pagesAsked()
  assert.equal(pages.filter((behind) => behind === null).length, 2, 'the first page, and once what changed')
})

it('failures that may pass are tried again, with smaller pages where the size may be the reason', async () => {
  await system.control.clearCalls()
  await system.control.injectFault({ kind: 'malformed', path: '/reservations', skip: 1, count: 3 })
  await system.api('POST', `/v1/connections/${connectionId}/import`)
  const ended = await history.when(connectionId, 'completed')
  assert.deepEqual([ended.done, ended.attempts], [count, 0])
  const calls = await system.control.calls({ path: '/reservations' })
  assert.deepEqual(
    calls.slice(0, 5).map(({ query }) => Number(query.limit)),
    [500, 500, 250, 125, 62],
  )
  assert.deepEqual(await openLetters(), [])
})

/** From now on the database takes no booking of so many guests. */
async function refuseGuests(guests: number): Promise<void> {
  await sql`
    create or replace function refuse_guests() returns trigger language plpgsql as $$
    begin
      if new.guests_total = ${sql.lit(guests)} then raise exception 'out of range' using errcode = '22003'; end if;
      return new;
    end $$
  `.execute(system.db)
  await sql`
    create or replace trigger refuse before insert or update on bookings for each row execute function refuse_guests()
  `.execute(system.db)
}

it('a reservation that cannot be stored is a dead letter, stops nothing, and can be replayed', async () => {
  await refuseGuests(unstorable)
  const spoilt = await system.control.book(accountId, { silent: true, numberOfGuests: unstorable })
  const sound = await system.control.book(accountId, { silent: true })
  await system.api('POST', `/v1/connections/${connectionId}/import`)
  const ended = await history.when(connectionId, 'completed')
  assert.deepEqual([ended.failed > 0, ended.created], [true, 1])
  const stored = (id: number) =>
    system.db.selectFrom('bookings').select('id').where('external_id', '=', String(id)).executeTakeFirst()
  assert.ok(await stored(sound.id))
  assert.equal(await stored(spoilt.id), undefined)
  const [letter, ...others] = await openLetters()
  assert.deepEqual(others, [])
  assert.equal(letter?.job, 'apply-reservation')
  assert.deepEqual(letter?.payload, { connectionId, reservationId: String(spoilt.id) })

  await system.control.change(accountId, spoilt.id, { numberOfGuests: 3, silent: true })
  assert.equal((await system.api('POST', `/v1/dead-letters/${letter?.id}/replay`)).status, 202)
  await eventually(async () => assert.ok(await stored(spoilt.id)))
  assert.deepEqual(await openLetters(), [])
})

it('one that Hostaway does not know any more is a dead letter again', async () => {
  const spoilt = await system.control.book(accountId, { silent: true, numberOfGuests: unstorable })
  await history.reconcileNow(connectionId)
  const [letter] = await openLetters()
  await system.control.remove(accountId, spoilt.id)
  assert.equal((await system.api('POST', `/v1/dead-letters/${letter?.id}/replay`)).status, 202)
  await eventually(async () => {
    const [again] = await openLetters()
    assert.equal(again?.kind, 'not_found')
    assert.notEqual(again?.id, letter?.id)
  })
})

it('an import that failed is not replayed while another one runs, and begins anew where it cannot go on', async () => {
  const onSecondPage = { path: '/reservations', skip: 1 } as const
  await system.control.injectFault({ ...onSecondPage, kind: 'status', status: 400 })
  await system.api('POST', `/v1/connections/${connectionId}/import`)
  const failed = await history.when(connectionId, 'failed')
  const letter = (await openLetters()).find(({ job }) => job === 'import')
  await system.control.clearFaults()
  const replay = (path: string) =>
    system.api<{ code: string; count: number }>('POST', `/v1/dead-letters/${path}`)

  // Another one that reads less, and does not come to its end.
  await system.api('POST', `/v1/connections/${connectionId}/pause`)
  const other = await system.api<{ id: string }>('POST', `/v1/connections/${connectionId}/import`, {
    from: '2030-01-01',
  })
  const refused = await replay(`${letter?.id}/replay`)
  assert.deepEqual([refused.status, refused.body.code], [409, 'IMPORT_RUNNING'])
  assert.ok((await openLetters()).some(({ id }) => id === letter?.id))
  assert.equal((await replay('replay')).status, 202)
  assert.ok((await openLetters()).some(({ id }) => id === letter?.id))
  await system.api('POST', `/v1/connections/${connectionId}/imports/${other.body.id}/cancel`)
  await system.api('POST', `/v1/connections/${connectionId}/resume`)

  // What it would go on behind is gone meanwhile.
  await sql`
    update imports set walk = walk || '{"cursors": ["999999998", "999999997"], "restarts": 3}'
    where id = ${failed.id}
  `.execute(system.db)
  assert.equal((await replay(`${letter?.id}/replay`)).status, 202)
  await eventually(
    async () => assert.equal((await history.show(connectionId, failed.id)).status, 'completed'),
    { timeoutMs: 30_000 },
  )
  await history.assertSameAsHostaway(connectionId)
})
