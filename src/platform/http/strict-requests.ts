import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from './problems.ts'
import { describeViolations, type Violation } from './violations.ts'

type QuerySchema = { type?: string; properties?: Record<string, unknown>; additionalProperties?: unknown }

/**
 * Makes every route of this instance refuse query parameters that it does not know, ranges that end before they begin,
 * and whatever else is wrong beside a body whose violations the handler describes itself. Register it before the routes.
 */
export function useStrictRequests(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const query: QuerySchema = route.schema?.querystring ?? { type: 'object', properties: {} }
    route.schema = { ...route.schema, querystring: { ...query, additionalProperties: false } }
  })
  app.addHook('preHandler', async (request) => {
    if (request.validationError?.validationContext === 'body') refuseOtherParts(request)
    refuseBackwardRanges(request.query as Record<string, unknown>)
  })
}

// Validation stops at the first part that is wrong, so nothing has looked at these.
function refuseOtherParts(request: FastifyRequest): void {
  for (const [part, name] of [
    ['querystring', 'query'],
    ['headers', 'header'],
  ] as const) {
    const validate = request.getValidationFunction(part)
    const value = part === 'querystring' ? request.query : request.headers
    if (validate === undefined || validate(value)) continue
    const errors = describeViolations((validate.errors ?? []) as Violation[], part)
    throw new Problem(422, 'VALIDATION_FAILED', `The ${name} is not valid`, errors)
  }
}

const ranges = [
  ['from', 'to'],
  ['arrivalFrom', 'arrivalTo'],
] as const

function refuseBackwardRanges(query: Record<string, unknown>): void {
  for (const [first, last] of ranges) {
    const [from, to] = [query[first], query[last]]
    if (typeof from !== 'string' || typeof to !== 'string' || Date.parse(from) <= Date.parse(to)) continue
    const message = `must not be before ${first} ${from}`
    throw new Problem(422, 'VALIDATION_FAILED', 'The query is not valid', [{ field: last, message }])
  }
}
