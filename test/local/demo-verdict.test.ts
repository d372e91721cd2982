import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConnectorClient } from '../../local/connector-client.ts'
import { findEditDifferences } from '../../local/demo-edits.ts'
import { type Facts, findDifferences } from '../../local/demo-verdict.ts'
import { eventually } from '../support/eventually.ts'
import { adminToken, sandboxAccount, startTestSystem } from '../support/test-system.ts'

test('the verdict says where a booking differs from what Hostaway has', async (t) => {
  const system = await startTestSystem(t)
  await system.connect()
  const { accountId } = sandboxAccount
  const { listings } = await system.control.state(accountId)
  const dinars = listings.find(({ listing }) => listing.currencyCode === 'KWD')
  assert.ok(dinars)
  const staying = await system.control.book(accountId, { listingMapId: dinars.listing.id })
  const leaving = await system.control.book(accountId, {})
  await system.control.cancel(accountId, leaving.id)

  const connector = createConnectorClient(system.url, adminToken)
  const collect = async (): Promise<Facts> => ({
    reservations: (await system.control.state(accountId)).reservations,
    announcedAs: new Map(),
    bookings: await connector.bookings(),
    waiting: await connector.waiting(),
    deadLetters: await connector.openDeadLetters(),
    unfinishedWebhooks: await connector.unfinishedWebhooks(),
  })
  const facts = await eventually(async () => {
    const collected = await collect()
    assert.deepEqual(findDifferences(collected), [])
    return collected
  })

  await t.test('a booking altered in the database', async () => {
    await system.db
      .updateTable('bookings')
      .set({ check_out: '2031-01-05', amount_total: '1.000', amount_minor: '1000' })
      .where('external_id', '=', String(staying.id))
      .execute()
    const differences = findDifferences(await collect())
    assert.equal(differences.length, 3)
    assert.match(differences.join('\n'), new RegExp(`^reservation ${staying.id}: check-out is "2031-01-05"`))
    assert.match(differences.join('\n'), /amount is "1.000", Hostaway has "\d+\.\d{3}"/)
  })

  function differencesWith(change: (facts: Facts) => Partial<Facts>): string {
    return findDifferences({ ...facts, ...change(facts) }).join('\n')
  }
  const notCancelled = ({ bookings }: Facts) =>
    bookings.map((booking) => ({ ...booking, status: 'confirmed' as const }))
  const waitingRow = (externalId: number) => ({
    externalId: String(externalId),
    status: 'pending',
    problems: [],
  })

  const cases: Array<[name: string, change: (facts: Facts) => Partial<Facts>, expected: RegExp]> = [
    ['a cancellation that was missed', (all) => ({ bookings: notCancelled(all) }), /status is "confirmed"/],
    [
      'a commission that was not mapped',
      ({ bookings }) => ({ bookings: bookings.map((booking) => ({ ...booking, mappingVersion: 1 })) }),
      /commission is empty, Hostaway has \d+/,
    ],
    ['a booking that is missing', () => ({ bookings: [] }), /there is no booking of it/],
    [
      'a reservation booked twice',
      ({ bookings }) => ({ bookings: [...bookings, ...bookings] }),
      /there are 2 bookings of it/,
    ],
    ['a booking that Hostaway does not know', () => ({ reservations: [] }), /no such reservation/],
    [
      'an unknown status that does not wait for a person',
      () => ({ announcedAs: new Map([[staying.id, 'onHold']]) }),
      /"onHold" is not known/,
    ],
    ['a known one that does', () => ({ waiting: [waitingRow(staying.id)] }), /although nothing is missing/],
    [
      'a dead letter',
      () => ({ deadLetters: [{ kind: 'unexpected', message: 'broke' }] }),
      /dead letter is open \(unexpected\): broke/,
    ],
    ['webhooks under way', () => ({ unfinishedWebhooks: 2 }), /2 webhooks did not come to an end/],
  ]
  for (const [name, change, expected] of cases) {
    await t.test(name, () => assert.match(differencesWith(change), expected))
  }
  await t.test('an edit that Hostaway does not hold', () => {
    const [first] = listings
    assert.ok(first)
    const desired = { listingId: first.listing.id, day: '2031-01-05', field: 'price', value: 99 } as const
    assert.match(findEditDifferences([desired], listings).join(), /price 99 is desired, Hostaway has nothing/)
  })
  await t.test('none where a reservation of unknown status waits for a person', () => {
    const differences = differencesWith(() => ({
      announcedAs: new Map([[staying.id, 'onHold']]),
      bookings: facts.bookings.filter(({ externalId }) => externalId !== String(staying.id)),
      waiting: [waitingRow(staying.id)],
    }))
    assert.equal(differences, '')
  })
})
