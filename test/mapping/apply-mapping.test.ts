import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { parseReservation } from '../../src/channels/hostaway/wire/wire-reservation.ts'
import { compileMapping, mapReservation } from '../../src/mapping/apply-mapping.ts'
import { draftBooking } from '../../src/mapping/booking-draft.ts'
import { defaultSpec } from '../../src/mapping/mapping-spec.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import { boathouse, fieldOf, mapped, refused } from './mapped-reservations.ts'

it('renames fields and gives them their types', async () => {
  const { fields, problems, warnings } = await mapped({
    fields: {
      client_name: { from: 'guestName', type: 'text', letters: 'upper' },
      check_in_date: { from: 'arrivalDate', type: 'date' },
      booking_amount: { from: 'totalPrice', type: 'money' },
      property_id: { from: 'listingMapId', type: 'text' },
      guest_count: { from: 'numberOfGuests', type: 'integer' },
      share: { from: 'totalPrice', type: 'decimal', digits: 0 },
      dated: { constant: true, type: 'boolean' },
      source: { from: 'channelName', type: 'enum', table: { airbnbOfficial: 'airbnb' } },
    },
  })
  assert.deepEqual(fields, {
    client_name: 'INES FERREIRA',
    check_in_date: '2027-03-27',
    booking_amount: { total: '412.50', minor: 41250, currency: 'EUR' },
    property_id: '8001',
    guest_count: 3,
    share: '413',
    dated: true,
    source: 'airbnb',
  })
  assert.deepEqual([problems, warnings], [[], []])
})

it('finds a field under every spelling that Hostaway uses, and deeper ones by their path', async () => {
  const spelled = { arrivalDate: undefined, checkIn: '2027-03-28' }
  assert.equal(await fieldOf({ from: 'arrivalDate', type: 'date' }, spelled), '2027-03-28')
  const nested = { bookingcomSpecialRequests: { arrival: { hour: '17' } } }
  assert.equal(await fieldOf({ from: 'bookingcomSpecialRequests.arrival.hour', type: 'integer' }, nested), 17)
  const several = { from: ['guestEmail', 'hostProxyEmail'], type: 'text' }
  assert.equal(
    await fieldOf(several, { guestEmail: ' ', hostProxyEmail: 'proxy@host.example' }),
    'proxy@host.example',
  )
  assert.equal(await fieldOf({ from: 'arrivalDate', type: 'date' }, { isDatesUnspecified: 1 }), null)
})

it('takes custom fields by id or name and finance fields by name, without the deleted lines', async () => {
  const values = {
    customFieldValues: [
      { customFieldId: 55, value: 'late arrival' },
      { customFieldId: 56, value: '3', customField: { id: 56, name: 'Baby cots' } },
    ],
    financeField: [
      { name: 'cleaningFee', total: 0.1 },
      { name: 'cleaningFee', total: '0.2' },
      { name: 'cleaningFee', total: 50, isDeleted: 1 },
      { name: 'cityTax', total: 'free' },
    ],
  }
  assert.equal(await fieldOf({ customField: 55, type: 'text' }, values), 'late arrival')
  assert.equal(await fieldOf({ customField: 'baby cots', type: 'integer' }, values), 3)
  assert.equal(await fieldOf({ customField: 'Sauna', type: 'text' }, values), null)
  assert.equal(await fieldOf({ financeField: 'cleaningFee', type: 'decimal' }, values), '0.3')
  const tax = { financeField: 'vat', type: 'money', default: 0, currency: 'JPY' }
  assert.deepEqual(await fieldOf(tax, values), { total: '0', minor: 0, currency: 'JPY' })
  assert.deepEqual(await fieldOf({ financeField: 'cityTax', type: 'money' }, values), {
    not_a_number: null,
    required: false,
  })
})

it('calculates with the property’s commission rate, or with 0.15 where it has none', async () => {
  const rule = { calculate: 'reservation.totalPrice * (property.commission_rate ?? 0.15)', type: 'money' }
  const total = async (commissionRate: string | null) =>
    ((await fieldOf(rule, {}, { ...boathouse, commissionRate })) as { total: string }).total
  assert.equal(await total(null), '61.88')
  assert.equal(await total('0.2'), '82.50')
  assert.equal(await total('0'), '0.00')
})

it('a calculation sees finance lines, custom fields, and days', async () => {
  const calculate = (expression: string, type = 'decimal') => fieldOf({ calculate: expression, type })
  assert.equal(await calculate('$sum(financeLines[name != "baseRate"].total)'), '32.5')
  assert.equal(await calculate('finance.baseRate + finance.cleaningFee'), '412.5')
  assert.equal(await calculate('$uppercase(customFields.`55`)', 'text'), 'LATE ARRIVAL')
  assert.equal(await calculate('$daysBetween(reservation.arrivalDate, reservation.departureDate)'), '3')
  assert.equal(await calculate('$addDays(reservation.departureDate, -1)', 'date'), '2027-03-29')
  const table = '$lookup({"airbnbOfficial": 0.15, "bookingcom": 0.17}, reservation.channelName)'
  assert.equal(await calculate(`(${table} ?? 0.1) * 100`), '15')
})

it('a calculation sees the same whatever the body spells and types differently, and no nulls', async () => {
  const odd = {
    totalPrice: '412.5',
    arrivalDate: undefined,
    checkIn: '2027-03-28',
    cleaningFee: null,
    adults: '2',
  }
  const calculate = (expression: string) => fieldOf({ calculate: expression, type: 'decimal' }, odd)
  assert.equal(await calculate('reservation.totalPrice / reservation.adults'), '206.25')
  assert.equal(await calculate('$daysBetween(reservation.arrivalDate, reservation.departureDate)'), '2')
  assert.equal(await calculate('reservation.totalPrice - (reservation.cleaningFee ?? 12.5)'), '400')
  const undated = { isDatesUnspecified: 1 }
  assert.equal(await fieldOf({ calculate: 'reservation.arrivalDate', type: 'date' }, undated), null)
})

it('leaves an optional field empty or at its default with a warning, and makes a problem of a required one', async () => {
  const wrong = { from: 'guestName', type: 'integer' }
  assert.deepEqual(await fieldOf(wrong), { not_a_number: null, required: false })
  assert.deepEqual(await fieldOf({ ...wrong, default: 2 }), { not_a_number: 2, required: false })
  assert.deepEqual(await fieldOf({ ...wrong, required: true }), { not_a_number: null, required: true })
  assert.equal(await fieldOf({ from: 'doorCode', type: 'text' }), null)
  assert.deepEqual(await fieldOf({ from: 'doorCode', type: 'text', required: true }), {
    missing: null,
    required: true,
  })
  const listed = { from: 'channelName', type: 'enum', table: { bookingcom: 'b' } }
  assert.deepEqual(await fieldOf({ ...listed, default: 'other' }), { not_in_table: 'other', required: false })
})

it('fills columns of the booking from elsewhere, and a wrong amount is a problem', async () => {
  const booking = {
    guestName: { customField: 'Invoice name' },
    amountTotal: { financeField: 'baseRate' },
    guestsPets: { constant: 4 },
    guestPhone: { constant: null },
  }
  const { draft } = await mapped({ booking })
  assert.deepEqual(
    [
      draft.guestName,
      draft.amountTotal,
      draft.amountMinor,
      draft.guestsPets,
      draft.guestPhone,
      draft.guestEmail,
    ],
    [null, '380.00', '38000', 4, null, 'ines@guest.example'],
  )
  const { problems } = await mapped({ booking: { amountTotal: { from: 'guestName' } } })
  assert.deepEqual(problems, [
    { field: 'amountTotal', code: 'not_a_number', message: 'guestName is not a decimal number' },
  ])
})

it('a spec that is wrong is refused with the place of everything that is', () => {
  assert.deepEqual(
    refused({
      fields: {
        'two words': { from: 'guestName', type: 'text' },
        nothing: { type: 'text' },
        card: { from: 'ccNumber', type: 'text' },
        upwards: { from: 'guest.constructor.name', type: 'text' },
        sort: { from: 'guestName', type: 'list' },
        table: { from: 'status', type: 'enum' },
        amount: { from: 'totalPrice', type: 'money', currency: 'euro', digits: 2, default: 'dear' },
        formula: { calculate: '1 +', type: 'decimal' },
      },
      booking: { checkIn: { from: 'arrivalDate' }, guestsTotal: { constant: -1 } },
      extra: {},
    }).sort(),
    [
      'spec.booking.checkIn',
      'spec.booking.guestsTotal.constant',
      'spec.extra',
      'spec.fields.amount.currency',
      'spec.fields.card.from',
      'spec.fields.formula.calculate',
      'spec.fields.nothing',
      'spec.fields.sort.type',
      'spec.fields.table.table',
      'spec.fields.two words',
      'spec.fields.upwards.from',
    ],
  )
  assert.deepEqual(refused({ fields: { rate: { from: 'totalPrice', type: 'text', digits: 2 } } }), [
    'spec.fields.rate.digits',
  ])
  for (const whole of [null, [], 'spec', { fields: [] }]) assert.notDeepEqual(refused(whole), [])
  const many = Object.fromEntries(
    Array.from({ length: 21 }, (_, n) => [`f${n}`, { calculate: '1', type: 'integer' }]),
  )
  assert.deepEqual(refused({ fields: many }), ['spec'])
})

it('the default spec, carried out as data, gives what the default rules give', async () => {
  const odd = fc.constantFrom(
    undefined,
    null,
    '',
    ' x ',
    'EUR',
    'euro',
    0,
    3,
    -1,
    2.5,
    '41.255',
    1e16,
    true,
    [],
    {},
  )
  const names = [
    'guestName',
    'guestEmail',
    'phone',
    'guestPhone',
    'numberOfGuests',
    'adults',
    'totalPrice',
    'currency',
  ]
  const changes = fc.record(Object.fromEntries(names.map((name) => [name, odd])), { requiredKeys: [] })
  const mapping = compileMapping(defaultSpec, 0)
  await fc.assert(
    fc.asyncProperty(changes, async (fields) => {
      const { reservation } = parseReservation(reservationBody(fields))
      assert.ok(reservation)
      const [asData, byRules] = [
        await mapReservation(mapping, reservation, boathouse),
        draftBooking(reservation, boathouse),
      ]
      assert.deepEqual({ ...asData.draft, warnings: [] }, byRules.draft)
      const codes = (result: typeof asData) => result.problems.map(({ code }) => code).sort()
      assert.deepEqual(codes(asData), codes(byRules))
    }),
    { numRuns: 300 },
  )
})

it('passes over custom fields whose id cannot be turned into text', async () => {
  const customFieldValues = [
    { customFieldId: { toString: null }, value: 'nobody’s' },
    { customFieldId: 55, value: 'late arrival' },
  ]
  const byId = { customField: 55, type: 'text' }
  assert.equal(await fieldOf(byId, { customFieldValues }), 'late arrival')
  const calculated = { calculate: '$string($lookup(customFields, "55"))', type: 'text' }
  assert.equal(await fieldOf(calculated, { customFieldValues }), 'late arrival')
})
