import fc from 'fast-check'

export type Schema = { [name: string]: unknown }

/** Values of the product that random ones would not hit, by the name of their field. */
export type KnownValues = Record<string, unknown[]>

const maxFreeText = 40
const daysAhead = 90

/**
 * Arbitrary values that the schema of the API's document allows, `$ref`s resolved in `document`. Days lie ahead, and the
 * first of two days of one object comes before the second, since a schema cannot say so.
 */
export function valuesOf(document: Schema, known: KnownValues) {
  return (schema: Schema): fc.Arbitrary<unknown> => build(schema, '')

  function build(schema: Schema, name: string): fc.Arbitrary<unknown> {
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema as {
      $ref?: string
      allOf?: Schema[]
      anyOf?: Schema[]
      oneOf?: Schema[]
    } & Schema
    if ($ref !== undefined) return build(resolve(document, $ref), name)
    if (allOf !== undefined) return build(merge([rest, ...allOf]), name)
    const choices = anyOf ?? oneOf
    if (choices !== undefined) {
      return fc.oneof(
        ...choices.map((choice) =>
          build(
            'required' in choice && !('properties' in choice) ? oneOfRequired(rest, choice, choices) : choice,
            name,
          ),
        ),
      )
    }
    const values = known[name]
    if (values !== undefined && (typeof values[0] === 'object') === (schema.type === 'object'))
      return fc.constantFrom(...values)
    if ('const' in schema) return fc.constant(schema.const)
    if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum)
    const types = [schema.type ?? ['string', 'integer', 'object']].flat() as string[]
    return fc.oneof(...types.map((type) => ofType(type, schema)))
  }

  function ofType(type: string, schema: Schema): fc.Arbitrary<unknown> {
    switch (type) {
      case 'null':
        return fc.constant(null)
      case 'boolean':
        return fc.boolean()
      case 'integer':
        return fc.integer({
          min: Number(schema.minimum ?? -1_000),
          max: Math.min(Number(schema.maximum ?? 9_999), 2 ** 31),
        })
      case 'number':
        return fc
          .integer({
            min: Math.ceil(Number(schema.minimum ?? -1_000) * 100),
            max: Math.min(Number(schema.maximum ?? 9_999), 9_999) * 100,
          })
          .map((hundredths) => hundredths / 100)
      case 'string':
        return text(schema)
      case 'array':
        return fc.array(build(schema.items as Schema, ''), {
          minLength: Number(schema.minItems ?? 0),
          maxLength: Math.min(Number(schema.maxItems ?? 3), Number(schema.minItems ?? 0) + 2),
        })
      case 'object':
        return object(schema)
    }
    throw new Error(`${type} is no type of JSON`)
  }

  function object(schema: Schema): fc.Arbitrary<unknown> {
    const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>)
    const required = (schema.required ?? []) as string[]
    const least = Math.max(Number(schema.minProperties ?? 0), required.length)
    return fc
      .record(Object.fromEntries(properties.map(([name, part]) => [name, build(part, name)])), {
        requiredKeys: required,
      })
      .filter((made) => Object.keys(made).length >= least)
      .map(inOrder)
  }
}

function text(schema: Schema): fc.Arbitrary<string> {
  const { format, pattern } = schema
  const minLength = Number(schema.minLength ?? 0)
  const maxLength = Math.min(Number(schema.maxLength ?? maxFreeText), Math.max(maxFreeText, minLength))
  const isDay = format === 'date' || pattern === '^\\d{4}-\\d{2}-\\d{2}$'
  if (isDay) return fc.integer({ min: 1, max: daysAhead }).map(dayAhead)
  if (format === 'date-time')
    return fc.integer({ min: 1, max: daysAhead }).map((days) => `${dayAhead(days)}T10:00:00Z`)
  if (format === 'cron') return fc.constantFrom('*/15 * * * *', '0 3 * * *', '30 0 3 * * *')
  if (format === 'uuid') return fc.uuid()
  if (typeof pattern !== 'string') return fc.string({ unit: 'grapheme', minLength, maxLength })
  const free = /^\^\[\^.*\]\*\$$/.test(pattern) || pattern === '\\S'
  return (
    free ? fc.string({ unit: 'grapheme', minLength, maxLength }) : fc.stringMatching(new RegExp(pattern))
  ).filter(
    (made) =>
      new RegExp(pattern, 'u').test(made) && [...made].length >= minLength && made.length <= maxLength,
  )
}

const dayAhead = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)

const pairs = [
  ['from', 'to'],
  ['arrivalFrom', 'arrivalTo'],
  ['checkIn', 'checkOut'],
  ['arrivalDate', 'departureDate'],
] as const

// Two days of one object stand in their order; a stay has at least one night.
function inOrder(made: Record<string, unknown>): Record<string, unknown> {
  const ordered = { ...made }
  for (const [first, second] of pairs) {
    const [one, other] = [made[first], made[second]]
    if (typeof one !== 'string' || typeof other !== 'string') continue
    const [early, late] = [one, other].toSorted() as [string, string]
    ordered[first] = early
    ordered[second] =
      early === late ? new Date(Date.parse(late) + 86_400_000).toISOString().slice(0, 10) : late
  }
  return ordered
}

/** The schema that a local `$ref` points to. */
export function resolve(document: Schema, ref: string): Schema {
  return ref
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((place, name) => (place as Schema)[name], document) as Schema
}

function merge(schemas: Schema[]): Schema {
  const properties = schemas.flatMap((schema) => Object.entries((schema.properties ?? {}) as Schema))
  return { ...Object.assign({}, ...schemas), properties: Object.fromEntries(properties) }
}

// "Exactly one of these fields": the others are left out.
function oneOfRequired(schema: Schema, chosen: Schema, all: Schema[]): Schema {
  const required = chosen.required as string[]
  const others = all.flatMap((one) => one.required as string[]).filter((name) => !required.includes(name))
  const properties = Object.entries((schema.properties ?? {}) as Schema).filter(
    ([name]) => !others.includes(name),
  )
  return {
    ...schema,
    properties: Object.fromEntries(properties),
    required: [...((schema.required as string[]) ?? []), ...required],
  }
}
