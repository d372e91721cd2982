import type { FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { checkSpec } from '../../mapping/check-spec.ts'
import { MappingSpec } from '../../mapping/mapping-spec.ts'
import { exactlyOneOf, Uuid } from '../../platform/http/fields.ts'
import { Problem } from '../../platform/http/problems.ts'
import { bodyViolations } from '../../platform/http/violations.ts'
import { findUnstorable } from '../../platform/storable-text.ts'

export const MappingBody = Type.Object(
  { spec: MappingSpec, expectedVersion: Type.Optional(Type.Integer({ minimum: 0 })) },
  { additionalProperties: false },
)

export const PreviewBody = exactlyOneOf(
  Type.Object(
    {
      spec: Type.Optional(MappingSpec),
      reservation: Type.Optional(
        Type.Record(Type.String(), Type.Unknown(), { description: 'As the channel sends it.' }),
      ),
      webhookId: Type.Optional(Uuid),
      last: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    },
    {
      additionalProperties: false,
      description: 'Without `spec`, the mapping in force. Exactly one of the others.',
    },
  ),
  ['reservation', 'webhookId', 'last'],
)
export type PreviewBody = Static<typeof PreviewBody>

/**
 * Throws a Problem that names everything wrong with a body that may hold a spec; the route sets `attachValidation`. What
 * no schema can say, such as a calculation that cannot be read, has a code of its own.
 */
export function refuseWrongBody(request: FastifyRequest<{ Body: { spec?: MappingSpec } }>): void {
  const wrong = bodyViolations(request)
  const spec = request.body?.spec
  const checked = spec === undefined ? undefined : checkSpec(spec)
  // The check of a spec finds all that its schema does, in clearer words; not so what cannot be stored.
  const beside = checked === undefined ? wrong : wrong.filter(({ field }) => !/^spec(\.|$)/.test(field))
  const unstorable = findUnstorable(spec).map(({ field, message }) => ({ field: `spec.${field}`, message }))
  const problems = [
    ...beside,
    ...unstorable,
    ...(checked === undefined || checked.ok ? [] : checked.problems),
  ]
  if (problems.length === 0) return
  const code = wrong.length + unstorable.length > 0 ? 'VALIDATION_FAILED' : 'MAPPING_NOT_APPLICABLE'
  throw new Problem(422, code, 'The body is not valid', problems)
}
