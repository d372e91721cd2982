import assert from 'node:assert/strict'
import { it } from 'node:test'
import { planReservation } from '../../../src/bookings/apply/reservation-plan.ts'
import { parseReservation } from '../../../src/channels/hostaway/wire/wire-reservation.ts'
import { draftBooking } from '../../../src/mapping/booking-draft.ts'
import { type Fields, newReservation } from '../../support/reservation-bodies.ts'

function plan(fields: Fields, approval: 'rejected' | 'mapped') {
  const { reservation } = parseReservation(newReservation(fields))
  assert.ok(reservation)
  const { draft, problems } = draftBooking(reservation, {
    listingId: '400001',
    unitId: 'hostaway-400001',
    name: 'Boathouse',
    currency: 'EUR',
    commissionRate: null,
  })
  return planReservation({ draft, problems, autoImport: true, approved: false, booking: undefined, approval })
}

it('a newer version does not overrule a person who rejected the reservation, and its nights stay blocked', () => {
  const { booking, approval, block } = plan({ status: 'modified' }, 'rejected')
  assert.deepEqual([booking, approval], [null, 'rejected'])
  assert.ok(block !== null && block !== 'keep')
  assert.equal(block.firstNight, '2027-05-03')
})

it('a rejected reservation that is cancelled at Hostaway is withdrawn and frees its nights', () => {
  assert.deepEqual(plan({ status: 'cancelled' }, 'rejected'), {
    booking: null,
    approval: 'withdrawn',
    block: null,
  })
})

it('what only waited for a yes is imported once automatic import is on', () => {
  const { booking, approval } = plan({}, 'mapped')
  assert.equal(booking?.status, 'confirmed')
  assert.equal(approval, 'imported')
})
