import { type Static, type TSchema, Type } from 'typebox'

const patterns = {
  currency: '^[A-Z]{3}$',
  email: '^[^@\\s]+@[^@\\s]+$',
  emailOrBlank: '^\\s*([^@\\s]+@[^@\\s]+)?\\s*$',
  uuid: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
  digits: '^\\d{1,18}$',
  notBlank: '\\S',
  storable: '^[^\\u0000]*$',
}

const amountOf = (digits: number) => `^\\d{1,${digits}}(\\.\\d{1,8})?$`
const amountSentence = 'an amount that is not negative, such as "412.50"'

/** What a value must be, by the format or pattern of its schema, in words that follow "must be". */
export const sentences: Record<'formats' | 'patterns', Record<string, string>> = {
  formats: {
    date: 'a calendar date, YYYY-MM-DD',
    'date-time': 'an ISO 8601 instant with its time zone',
    cron: 'a cron expression of five or six fields',
  },
  patterns: {
    [patterns.currency]: 'a currency code such as EUR',
    [patterns.email]: 'an e-mail address',
    [patterns.emailOrBlank]: 'an e-mail address',
    [patterns.uuid]: 'a UUID',
    [amountOf(9)]: amountSentence,
    [amountOf(12)]: amountSentence,
    [patterns.digits]: 'a number of at most 18 digits',
    [patterns.notBlank]: 'a text that is not blank',
    [patterns.storable]: 'a text without NUL',
  },
}

/** A calendar day from the year 1 on. */
export const Day = Type.String({ format: 'date', description: '`YYYY-MM-DD`' })

/** The last day of a range. */
export const LastDay = Type.String({ format: 'date', description: '`YYYY-MM-DD`, included.' })

/** An instant in a request; `Date.parse` reads it. */
export const Instant = Type.String({ format: 'date-time', description: 'ISO 8601, with a time zone.' })

export const Currency = Type.String({ pattern: patterns.currency, description: 'ISO 4217' })

export const Email = Type.String({ maxLength: 254, pattern: patterns.email })

export const Uuid = Type.String({ pattern: patterns.uuid })

/** The id of one of TVL's units, in a body. */
export const UnitId = Type.String({ pattern: patterns.notBlank, maxLength: 200 })

/** The id of something in a path; what has no such id is 404, whatever the text. */
export function idOf(what: string) {
  return Type.String({ description: `Id of the ${what}.` })
}

/** An id in a path that may be any text that can be stored. */
export function textIdOf(what: string) {
  return Type.String({ pattern: patterns.storable, description: `Id of the ${what}.` })
}

/** A name that is not blank. */
export const Name = Type.String({ pattern: patterns.notBlank, maxLength: 200 })

// Types side by side rather than a union: a wrong value is then one violation, not one for each type.
type Rules = { maxLength?: number; pattern?: string; description?: string }

/** A text or null; blank text means the same as null. */
export function textOrNull(rules: Rules) {
  return Type.Unsafe<string | null>({ type: ['string', 'null'], ...rules })
}

/** An e-mail address or null; blank text means the same as null. */
export const EmailOrNull = textOrNull({ maxLength: 200, pattern: patterns.emailOrBlank })

/** An id that the other side counts up, as a number or as text. */
export const NumberedId = Type.Unsafe<number | string>({
  type: ['integer', 'string'],
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  pattern: patterns.digits,
})

/** A decimal that is not negative, of so many digits before the point: a number or, exactly, text such as `"412.50"`. */
export function amount(digits: 9 | 12) {
  return Type.Unsafe<number | string>({
    type: ['number', 'string'],
    minimum: 0,
    maximum: 10 ** digits,
    pattern: amountOf(digits),
    description: 'A decimal that is not negative; as text it is exact.',
  })
}

/** One of these words in a query, or several with commas between. */
export function severalOf(words: readonly string[]) {
  const word = `(?:${words.join('|')})`
  return Type.String({
    pattern: `^${word}(?:,${word})*$`,
    maxLength: 200,
    description: `One of ${words.join(', ')}, or several with commas between.`,
  })
}

/** The words that a query chose by `severalOf`. */
export function chosenOf<Word extends string>(value: string | undefined): Word[] | undefined {
  return value?.split(',') as Word[] | undefined
}

/** One of several objects, distinguished by a constant `tag`: only the one that is meant is checked and described. */
export function taggedUnion<Schemas extends TSchema[]>(
  title: string,
  tag: string,
  schemas: readonly [...Schemas],
) {
  return Type.Unsafe<Static<Schemas[number]>>({
    title,
    type: 'object',
    discriminator: { propertyName: tag },
    oneOf: schemas,
  })
}

/** An object that has exactly one of these fields. */
export function exactlyOneOf<Schema extends TSchema>(schema: Schema, names: string[]) {
  return Type.Unsafe<Static<Schema>>({ ...schema, oneOf: names.map((name) => ({ required: [name] })) })
}

/** Objects of two kinds, of which only one has `field`: what is wrong is described about the kind that is meant. */
export function byPresenceOf<Having extends TSchema, Lacking extends TSchema>(
  title: string,
  field: string,
  having: Having,
  lacking: Lacking,
) {
  return Type.Unsafe<Static<Having> | Static<Lacking>>({
    title,
    type: 'object',
    if: { required: [field] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema names it so.
    then: having,
    else: lacking,
  })
}
