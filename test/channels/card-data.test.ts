import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import {
  isCardField,
  textWithoutCardData,
  withoutCardNumbers,
} from '../../src/channels/contract/card-data.ts'

const numbers = [
  '4242424242424242',
  '5555555555554444',
  '378282246310005',
  '6011111111111117',
  '3530111333300000',
]

it('fields of card data are known in every spelling, and others are not', () => {
  const names = [
    ...[
      'ccNumber',
      'CCNumber',
      'ccnumber',
      'cc_number',
      'ccNumber ',
      'cvc',
      'CVV2',
      'ccExpirationYear',
      'ccName',
    ],
    ...[
      'cardNumber',
      'card_number',
      'card.number',
      'creditCardNumber',
      'pan',
      'virtualCreditCard',
      'cardHolderName',
    ],
  ]
  for (const name of names) assert.ok(isCardField(name), name)
  const others = [
    'accountId',
    'panorama',
    'company',
    'credit',
    'creditNote',
    'occupancy',
    'cardinality',
    'number',
    'success',
  ]
  for (const name of others) assert.ok(!isCardField(name), name)
})

it('a number of a card is replaced wherever a text has it', () => {
  for (const number of numbers) {
    const spaced = number.replaceAll(/(\d{4})(?=\d)/g, '$1 ')
    for (const written of [number, spaced, spaced.replaceAll(' ', '-')]) {
      const kept = withoutCardNumbers(`pay with ${written}, thanks`)
      assert.equal(kept, `pay with [card number ending in ${number.slice(-4)}], thanks`)
    }
  }
  for (const text of [
    '+351 900 000 001',
    '2027-03-27 2027-03-30',
    '4242424242424241',
    '1234567890123',
    'HM4111',
  ]) {
    assert.equal(withoutCardNumbers(text), text)
  }
})

it('a body keeps nothing of a card and all of the rest, however it is written', () => {
  const clean = fc.record({
    id: fc.integer({ min: 1 }),
    note: fc.string({ maxLength: 12 }),
    accountId: fc.integer({ min: 1 }),
    list: fc.array(fc.record({ name: fc.string({ maxLength: 12 }), price: fc.integer() }), { maxLength: 3 }),
  })
  fc.assert(
    fc.property(clean, fc.constantFrom(...numbers), fc.boolean(), (body, number, isDeep) => {
      const text = JSON.stringify(body)
      assert.equal(textWithoutCardData(text, body), text)
      const secret = { ccNumber: number, 'Card-Number': number, cvv: '933', message: `it is ${number}.` }
      const dirty = isDeep
        ? { ...body, data: [{ text: JSON.stringify(secret) }, secret] }
        : { ...body, ...secret }
      const kept = textWithoutCardData(JSON.stringify(dirty), dirty)
      assert.ok(!kept.includes(number), kept)
      assert.partialDeepStrictEqual(JSON.parse(kept), body)
    }),
  )
})

it('what identifies something is kept although it looks like a card', () => {
  const body = {
    reservationId: '4111111111111111',
    confirmationCode: '4111111111111111',
    guestPhone: '4111111111111111',
  }
  const text = JSON.stringify(body)
  assert.equal(textWithoutCardData(text, body), text)
})
