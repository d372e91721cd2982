import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { parseReservation } from '../../src/channels/hostaway/wire/wire-reservation.ts'
import { compileMapping, mapReservation } from '../../src/mapping/apply-mapping.ts'
import { calculationLimits, compileCalculation, newMeter } from '../../src/mapping/calculation/calculation.ts'
import { calculationInput } from '../../src/mapping/calculation/calculation-input.ts'
import {
  calculationFunctions,
  calculationInputs,
  findCalculationProblems,
} from '../../src/mapping/calculation/calculation-rules.ts'
import { checkSpec } from '../../src/mapping/check-spec.ts'
import { sourceKinds, targetTypes } from '../../src/mapping/mapping-spec.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import { boathouse, fieldOf, parsed } from './mapped-reservations.ts'

const named = /^[a-z_]+$/

// Everything that distinguishes a program from its earlier state: what lies on the prototypes, and who made it.
function prototypes(): unknown {
  return [Object.prototype, Array.prototype, Function.prototype, String.prototype].map((prototype) =>
    Object.getOwnPropertyNames(prototype),
  )
}

async function failureOf(expression: string, changes: Record<string, unknown> = {}): Promise<unknown> {
  return fieldOf({ calculate: expression, type: 'text' }, changes)
}

it('refuses everything that could run for ever, depend on time or chance, or reach beyond the reservation', () => {
  const refused = [
    '$eval("1")',
    '$now()',
    '$millis()',
    '$random()',
    '$shuffle([1, 2])',
    '$match("a", /a+/)',
    '$replace(reservation.guestName, /(a+)+$/, "")',
    'function($x){ $x }(1)',
    '($f := function($n){ $f($n + 1) }; $f(1))',
    '($f := λ($n){ $f($n) }; $f(1))',
    '$map([1], $string)',
    '$sum',
    'reservation ~> $string',
    'reservation ~> |$|{"a": 1}|',
    '$substring(?, 1)("abc")',
    'financeLines@$l.{"a": $l}',
    'financeLines#$i.$i',
    'financeLines^(total)',
    'financeLines{name: total}',
    'financeLines.total.%',
    '$$.constructor',
    'reservation.`__proto__`',
    '$lookup(reservation, "prototype")',
    'reservation.ccNumber',
    '{"cvc": 1}',
    '$sum := 1',
    '$undefined + 1',
    'totalPrice',
    '"unterminated',
    '1 +',
    '',
    '((((((a ?: a) ?: a) ?: a) ?: a) ?: a) ?: a) ?: a',
  ]
  for (const expression of refused) assert.notDeepEqual(findCalculationProblems(expression), [], expression)
})

it('stops what grows, within its bounds and with a name for the reason', async () => {
  const doubled = (value: string) => `($a := ${value}; ${'$a := $a & $a; '.repeat(40)} $length($a))`
  const nested = `($a := {"x": 1}; ${'$a := {"x": $a, "y": $a}; '.repeat(30)} $string($a))`
  for (const [expression, code] of [
    [doubled('"xxxxxxxxxx"'), 'calculation_too_large'],
    [nested, 'calculation_too_large'],
    ['$sum([1..100000000])', 'calculation_too_large'],
    ['$count([1..1000].([1..1000].$))', 'calculation_too_long'],
    ['$sum([1..900].($sum([1..900])))', 'calculation_too_long'],
    ['$replace($join([1..999].("a")), "a", $join([1..999].("bbbb")))', 'calculation_too_large'],
    ['1 + "one"', 'calculation_failed'],
    ['financeLines', 'calculation_failed'],
    ['1 / 0', 'calculation_failed'],
    ['$power(10, 400)', 'calculation_failed'],
  ] as const) {
    assert.deepEqual(findCalculationProblems(expression), [], expression)
    assert.deepEqual(await failureOf(expression), { [code]: null, required: false }, expression)
  }
  const huge = { note: Array.from({ length: 30_000 }, () => 1) }
  assert.deepEqual(await failureOf('reservation.guestName', huge), {
    calculation_too_large: null,
    required: false,
  })
})

it('gives the same value for the same reservation and leaves the reservation as it was', async () => {
  const reservation = parsed()
  const before = structuredClone(reservation.source)
  const spec = {
    fields: {
      sum: { calculate: '$sum(financeLines.total) + $sum(reservation.financeField.total)', type: 'decimal' },
      text: { calculate: '$string(reservation)', type: 'text' },
      made: { calculate: '$count($append(financeLines, [1, 2]))', type: 'integer' },
    },
  } as const
  const mapping = compileMapping(spec as unknown as Parameters<typeof compileMapping>[0], 1)
  const [first, ...others] = await Promise.all(
    Array.from({ length: 5 }, () => mapReservation(mapping, reservation, boathouse)),
  )
  for (const other of others) assert.deepEqual(other, first)
  assert.deepEqual(first?.draft.fields, { sum: '825', text: first?.draft.fields.text, made: 4 })
  assert.deepEqual(reservation.source, before)
})

const pieces = fc.constantFrom(
  ...[...calculationInputs, ...calculationFunctions].flatMap((name) => [name, `$${name}(`, `.${name}`]),
  ...[
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    ',',
    ';',
    ':',
    ':=',
    '?',
    '??',
    '?:',
    '~>',
    '..',
    '.',
    '*',
    '**',
    '%',
    '^(',
  ],
  ...[
    '+',
    '-',
    '/',
    '&',
    '=',
    '!=',
    '<',
    '>',
    ' and ',
    ' or ',
    ' in ',
    '@$v',
    '#$i',
    '|',
    '"',
    '`',
    'λ',
    '/a/',
  ],
  ...[
    '$',
    '$$',
    '$x',
    '$eval(',
    '$map(',
    'function($x){',
    '0',
    '1e3',
    '-1',
    '"a"',
    'true',
    'null',
    'name',
    'total',
  ],
  ...[
    '__proto__',
    'constructor',
    '"__proto__"',
    '"constructor"',
    '_jsonata_lambda',
    '[1..1000]',
    '{"a": $x}',
  ],
)
const expressions = fc.oneof(
  fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join('')),
  // Well-formed, so that they are carried out and not only refused.
  fc
    .letrec<{ whole: string }>((tie) => ({
      whole: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(
          '1',
          '"aaaa"',
          'reservation.totalPrice',
          'reservation',
          'financeLines',
          '[1..500]',
          '$x',
          '$$.**',
        ),
        fc
          .tuple(tie('whole'), fc.constantFrom('+', '*', '&', '=', '<', 'in', '??'), tie('whole'))
          .map((one) => one.join(' ')),
        fc.tuple(tie('whole'), tie('whole')).map(([one, other]) => `${one}.(${other})`),
        fc.tuple(tie('whole'), tie('whole')).map(([one, other]) => `($x := ${one}; [$x, $x, ${other}])`),
        fc.tuple(tie('whole'), tie('whole')).map(([one, other]) => `{"a": ${one}, "b": [${other}]}`),
        fc
          .tuple(
            fc.constantFrom(...calculationFunctions),
            fc.array(tie('whole'), { minLength: 1, maxLength: 3 }),
          )
          .map(([name, inner]) => `$${name}(${inner.join(', ')})`),
      ),
    }))
    .whole.map((expression) => `($x := 2; ${expression})`),
)

it('whatever expression is made up: it is refused with a reason, or gives a value or a named problem within its steps', async () => {
  const untouched = prototypes()
  let carriedOut = 0
  await fc.assert(
    fc.asyncProperty(expressions, async (expression) => {
      const reasons = findCalculationProblems(expression)
      if (reasons.length > 0) {
        assert.ok(reasons.every((reason) => reason !== ''))
        return
      }
      carriedOut += 1
      const meter = newMeter()
      const input = calculationInput(parsed(), boathouse, meter)
      const result = await compileCalculation(expression)?.(input ?? {}, meter)
      assert.ok(result)
      if (result.ok) assert.ok(result.value === null || typeof result.value !== 'object')
      else assert.match(result.code, named)
      // A step that finds the budget used up may have been a large one.
      assert.ok(meter.steps <= calculationLimits.steps * 2, `${meter.steps} steps`)
    }),
    { numRuns: 500 },
  )
  assert.ok(carriedOut > 100, `${carriedOut} were carried out`)
  assert.deepEqual(prototypes(), untouched)
})

const anyName = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'guestName',
    'totalPrice',
  ),
  fc.constantFrom('guestName', 'arrivalDate', 'financeField', 'customFieldValues', 'a.b', 'guestName.length'),
  fc.string({ maxLength: 8 }),
)
const anyValue = fc.oneof(fc.jsonValue({ maxDepth: 2 }), anyName, fc.double(), expressions)
const anyRule = fc.dictionary(
  fc.constantFrom(
    ...sourceKinds,
    'type',
    'default',
    'required',
    'table',
    'digits',
    'currency',
    'letters',
    'other',
  ),
  anyValue,
)
const source = fc.oneof(
  fc.constantFrom('guestName', 'totalPrice', 'arrivalDate', 'pets', 'a.b.c').map((from) => ({ from })),
  fc
    .constantFrom<string | number>(55, 'Late', '__proto__', '\0', '\ud83d')
    .map((customField) => ({ customField })),
  fc.constantFrom('cleaningFee', 'constructor').map((financeField) => ({ financeField })),
  fc
    .constantFrom('reservation.totalPrice', '$sum(financeLines.total)', 'finance')
    .map((calculate) => ({ calculate })),
)
const likelyRule = fc
  .tuple(source, fc.constantFrom(...targetTypes), fc.boolean())
  .map(([from, type, required]) => ({
    ...from,
    type,
    required,
    ...(type === 'enum' ? { table: { toString: 1, a: 'b' } } : {}),
  }))
const likelySpecs = fc.record({
  fields: fc.dictionary(fc.constantFrom('a', 'toString', 'valueOf', 'total_2'), likelyRule),
  booking: fc.dictionary(fc.constantFrom('guestName', 'amountTotal', 'currency', 'guestsTotal'), source),
})
const anySpecs = fc.record(
  {
    fields: fc.dictionary(anyName, anyRule, { maxKeys: 4 }),
    booking: fc.dictionary(anyName, anyRule, { maxKeys: 4 }),
  },
  { requiredKeys: [] },
)
const bodies = fc.dictionary(
  fc.constantFrom(...Object.keys(reservationBody()), '__proto__', 'constructor', '_jsonata_function'),
  fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.double(),
    fc.array(fc.dictionary(anyName, anyValue, { maxKeys: 4 })),
  ),
)

it('whatever spec and reservation are made up: problems have names, nothing is thrown, and no prototype is reached', async () => {
  const untouched = prototypes()
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(fc.oneof(likelySpecs, anySpecs, fc.jsonValue()), bodies, async (spec, fields) => {
      // As it would come over the wire.
      const checked = checkSpec(JSON.parse(JSON.stringify(spec)))
      if (!checked.ok) {
        assert.notDeepEqual(checked.problems, [])
        for (const { field, message } of checked.problems) assert.ok(field !== '' && message !== '')
        return
      }
      accepted += 1
      const { reservation } = parseReservation({ ...reservationBody(), ...fields, id: 1 })
      assert.ok(reservation)
      const { draft, problems } = await mapReservation(
        compileMapping(checked.spec, 1),
        reservation,
        boathouse,
      )
      for (const { field, code, message } of [...problems, ...draft.warnings]) {
        assert.match(code, named)
        assert.ok(field !== '' && message !== '')
      }
      assert.equal(Object.getPrototypeOf(draft.fields), Object.prototype)
      assert.deepEqual(Object.keys(draft.fields).sort(), Object.keys(checked.spec.fields ?? {}).sort())
      for (const value of Object.values(draft.fields)) assert.notEqual(typeof value, 'function')
      const written = JSON.stringify({ draft, problems })
      assert.deepEqual(JSON.parse(written), { draft, problems })
      // A database takes neither of them in JSON.
      assert.doesNotMatch(written, /\\u0000|\\ud[89a-f]/)
    }),
    { numRuns: 500 },
  )
  assert.ok(accepted > 100, `${accepted} were accepted`)
  assert.deepEqual(prototypes(), untouched)
})
