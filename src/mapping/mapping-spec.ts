import { type Static, type TSchema, Type } from 'typebox'

/** Limits that keep a mapping small enough to compile and to run for every webhook. */
export const mappingLimits = {
  specBytes: 65_536,
  fields: 100,
  calculations: 20,
  expressionLength: 1_000,
  tableEntries: 100,
  sources: 5,
  textLength: 2_000,
} as const

const identifier = '[A-Za-z][A-Za-z0-9_]{0,63}'
const path = `^${identifier}(\\.${identifier}){0,4}$`

// Types side by side rather than a union: a wrong value is then one problem, not one per branch.
const PathOrPaths = Type.Unsafe<string | string[]>({
  type: ['string', 'array'],
  pattern: path,
  items: { type: 'string', pattern: path },
  minItems: 1,
  maxItems: mappingLimits.sources,
  description:
    'Field of the reservation as the channel names it, deeper ones with dots. Of several, the first that has a value.',
})
const Scalar = (description: string) =>
  Type.Unsafe<string | number | boolean>({
    type: ['string', 'number', 'boolean'],
    maxLength: mappingLimits.textLength,
    description,
  })

const source = {
  from: Type.Optional(PathOrPaths),
  customField: Type.Optional(
    Type.Unsafe<string | number>({
      type: ['string', 'integer'],
      minLength: 1,
      maxLength: 200,
      minimum: 1,
      description: 'Custom field of the reservation: its id, or its name where the channel sends it along.',
    }),
  ),
  financeField: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'Name of finance lines, such as `cleaningFee`; the sum of their totals.',
    }),
  ),
  constant: Type.Optional(
    Type.Unsafe<string | number | boolean | null>({
      type: ['string', 'number', 'boolean', 'null'],
      maxLength: mappingLimits.textLength,
      description: 'Always this value; null for none.',
    }),
  ),
  calculate: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: mappingLimits.expressionLength,
      description:
        'JSONata over `reservation`, `finance`, `financeLines`, `customFields` and `property`; a closed part of the language, see docs/mapping.md.',
    }),
  ),
  default: Type.Optional(Scalar('Taken where there is no value, or none that fits.')),
  required: Type.Optional(
    Type.Boolean({ description: 'Without a value that fits, the reservation waits for a person.' }),
  ),
}

export const targetTypes = ['text', 'integer', 'decimal', 'money', 'date', 'boolean', 'enum'] as const
export type TargetType = (typeof targetTypes)[number]

/** How one mapped field gets its value: exactly one source, one type, and what the type allows. */
export const FieldRule = Type.Object(
  {
    ...source,
    type: Type.Enum([...targetTypes]),
    letters: Type.Optional(Type.Enum(['upper', 'lower'], { description: 'Of `text`.' })),
    digits: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 8, description: 'Of `decimal`: places after the point.' }),
    ),
    currency: Type.Optional(
      Type.String({
        pattern: '^[A-Z]{3}$',
        description: 'Of `money`; otherwise the currency of the booking.',
      }),
    ),
    table: Type.Optional(
      Type.Record(Type.String({ maxLength: 200 }), Scalar('What stands for the value.'), {
        maxProperties: mappingLimits.tableEntries,
        description: 'Of `enum`: from the value the channel sends to the value TVL knows.',
      }),
    ),
  },
  { additionalProperties: false },
)
export type FieldRule = Static<typeof FieldRule>

/** How a column of the booking gets its value; its type is the column's. */
export const BookingRule = Type.Object(source, { additionalProperties: false })
export type BookingRule = Static<typeof BookingRule>

export type ValueSource = Pick<
  BookingRule,
  'from' | 'customField' | 'financeField' | 'constant' | 'calculate'
>
export const sourceKinds = ['from', 'customField', 'financeField', 'constant', 'calculate'] as const
const withOneSource = <Rule extends TSchema>(rule: Rule) =>
  Type.Unsafe<Static<Rule>>({ ...rule, oneOf: sourceKinds.map((kind) => ({ required: [kind] })) })
const BookingRuleOfSpec = withOneSource(BookingRule)
const FieldRuleOfSpec = withOneSource(FieldRule)

/** The columns that may be filled from elsewhere, and their types. Status, listing and nights are always the channel's. */
export const bookingTargets = {
  guestName: 'text',
  guestEmail: 'text',
  guestPhone: 'text',
  guestsTotal: 'count',
  guestsAdults: 'count',
  guestsChildren: 'count',
  guestsInfants: 'count',
  guestsPets: 'count',
  amountTotal: 'amount',
  currency: 'currency',
  channelName: 'text',
  confirmationCode: 'text',
} as const
export type BookingTarget = keyof typeof bookingTargets
export const bookingTargetNames = Object.keys(bookingTargets) as BookingTarget[]

/** Name of a mapped field: a letter, then letters, digits and underscores. */
export const fieldNamePattern = `^${identifier}$`

export const MappingSpec = Type.Object(
  {
    booking: Type.Optional(
      Type.Object(
        Object.fromEntries(
          bookingTargetNames.map((name) => [name, Type.Optional(BookingRuleOfSpec)]),
        ) as Record<BookingTarget, ReturnType<typeof Type.Optional<typeof BookingRuleOfSpec>>>,
        {
          additionalProperties: false,
          description: 'Columns of the booking; one that is not named is filled as by the default mapping.',
        },
      ),
    ),
    fields: Type.Optional(
      Type.Record(Type.String({ pattern: fieldNamePattern }), FieldRuleOfSpec, {
        maxProperties: mappingLimits.fields,
        description: 'The `fields` of the booking, by name.',
      }),
    ),
  },
  { additionalProperties: false, title: 'MappingSpec' },
)
export type MappingSpec = Static<typeof MappingSpec>

/** The mapping of a connection without a spec. */
export const defaultSpec: MappingSpec = {
  booking: {
    guestName: { from: 'guestName' },
    guestEmail: { from: 'guestEmail' },
    guestPhone: { from: 'phone' },
    guestsTotal: { from: 'numberOfGuests' },
    guestsAdults: { from: 'adults' },
    guestsChildren: { from: 'children' },
    guestsInfants: { from: 'infants' },
    guestsPets: { from: 'pets' },
    amountTotal: { from: 'totalPrice' },
    currency: { from: 'currency' },
    channelName: { from: 'channelName' },
    confirmationCode: { from: 'confirmationCode' },
  },
  fields: {},
}
