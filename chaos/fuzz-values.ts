import type { Draw } from './seeded-draw.ts'

/** A number that providers publish for tests; nothing that is stored may hold it. */
export const cardNumber = '4000000000000002'

// JSON.stringify cannot write these; the text stands in for the value and is put in afterwards.
const rawTexts = [
  '1e400',
  '-1e400',
  '-0',
  '1E-400',
  '12345678901234567890',
  '0.1000000000000000055511151231257827',
  String.raw`"\u0000"`,
  String.raw`"a\u0000b"`,
  String.raw`"\ud800"`,
  String.raw`"\udfff\ud800"`,
  String.raw`"\ud83d\ude00"`,
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"same":1,"same":2}',
  '{"":""}',
]

const evilValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  2_147_483_648,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  '',
  ' ',
  '0',
  'null',
  'NaN',
  '1e309',
  '../../accessTokens',
  '%2e%2e%2f',
  "'; drop table bookings; --",
  '{"a":1}',
  '\u202e\u2066',
  '\ufeff',
  '🏠'.repeat(40),
  '0000-00-00',
  '2027-02-30',
  '9999-12-31',
  '1899-12-31',
  '2027-06-10T25:61:61Z',
  '2027-06-10 08:00:00',
  '+275760-09-13',
  [],
  {},
  [null],
  [[[]]],
  { id: 1 },
]

/** Marks a place where `fillIn` puts JSON that no value has. */
export function rawPlace(text: string): string {
  return `@raw:${Buffer.from(text).toString('hex')}@`
}

/** JSON text of a value, with its marked places filled in. */
export function fillIn(value: unknown): string {
  return JSON.stringify(value).replaceAll(/"@raw:([0-9a-f]*)@"/g, (_all, hex: string) =>
    Buffer.from(hex, 'hex').toString(),
  )
}

/** A value that a field should not have, or only just may. */
export function evilValue(draw: Draw): unknown {
  const share = draw.fraction()
  if (share < 0.55) return draw.pick(evilValues)
  if (share < 0.8) return rawPlace(draw.pick(rawTexts))
  if (share < 0.9) return rawPlace(nest(draw, draw.whole(2, 120)))
  if (share < 0.92) return rawPlace(nest(draw, draw.whole(1_000, 20_000)))
  if (share < 0.95) return draw.pick(['x', '\u00e9', '\\', '"']).repeat(draw.whole(100, 20_000))
  return randomTree(draw, 4)
}

/** Brackets in brackets, or objects in objects. */
export function nest(draw: Draw, depth: number): string {
  return draw.chance(0.5)
    ? '['.repeat(depth) + ']'.repeat(depth)
    : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
}

const keys = [
  'id',
  'data',
  'event',
  'accountId',
  '__proto__',
  'constructor',
  'toString',
  'ccNumber',
  'a b',
  '',
]

/** Any JSON value, a few levels deep. */
export function randomTree(draw: Draw, depth: number): unknown {
  const share = draw.fraction()
  if (depth === 0 || share < 0.5)
    return draw.chance(0.3) ? rawPlace(draw.pick(rawTexts)) : draw.pick(evilValues)
  if (share < 0.7) return Array.from({ length: draw.whole(0, 5) }, () => randomTree(draw, depth - 1))
  return Object.fromEntries(
    Array.from({ length: draw.whole(0, 5) }, () => {
      const key = draw.pick(keys)
      return [key, key === 'ccNumber' ? cardNumber : randomTree(draw, depth - 1)]
    }),
  )
}
