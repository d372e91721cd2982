import { type Static, Type } from 'typebox'

const Problems = (description: string) =>
  Type.Array(Type.Object({ field: Type.String(), code: Type.String(), message: Type.String() }), {
    description,
  })

const ProblemList = Problems('What keeps the reservation from becoming a booking.')
const WarningList = Problems('What could not be mapped and is not required.')

const PreviewedReservation = Type.Object({
  externalId: Type.String(),
  bookingId: Type.Union([Type.String(), Type.Null()], {
    description: 'null where the reservation waits for a person.',
  }),
  changes: Type.Array(Type.Object({ field: Type.String(), before: Type.Unknown(), after: Type.Unknown() }), {
    description: 'What mapping again would change, column by column and field by field.',
  }),
  problems: ProblemList,
  warnings: WarningList,
})
export type PreviewedReservation = Static<typeof PreviewedReservation>

/** Of one reservation: draft, problems and warnings; of the last ones: the counts and those that would change. */
export const PreviewAnswer = Type.Object(
  {
    draft: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'The booking as far as it is known.' }),
    ),
    problems: Type.Optional(ProblemList),
    warnings: Type.Optional(WarningList),
    examined: Type.Optional(Type.Integer()),
    changed: Type.Optional(Type.Integer()),
    incomplete: Type.Optional(Type.Integer({ description: 'How many would wait for a person.' })),
    data: Type.Optional(
      Type.Array(PreviewedReservation, { description: 'Those with a change, a problem or a warning.' }),
    ),
  },
  { title: 'MappingPreview' },
)
