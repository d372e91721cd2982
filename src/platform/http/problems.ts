import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { failureKinds, toAppError } from '../errors.ts'
import { noteMethods } from './known-methods.ts'
import { type AnswerCode, codeOfKind } from './problem-codes.ts'
import { describeViolations, maxWrongFields, type WrongField } from './violations.ts'

/** An answer other than success, with a stable `code`; becomes `application/problem+json` (RFC 9457). */
export class Problem extends Error {
  readonly status: number
  readonly code: AnswerCode
  readonly errors: WrongField[] | undefined
  /** When it makes sense to try again. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    status: number,
    code: AnswerCode,
    detail: string,
    errors?: WrongField[],
    retryAfterSeconds: number | undefined = status === 503 ? 5 : undefined,
  ) {
    super(detail)
    this.name = 'Problem'
    this.status = status
    this.code = code
    this.errors = errors
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** The same answer for what does not exist and for what belongs to another tenant. */
export function notFound(what: string): Problem {
  return new Problem(404, 'NOT_FOUND', `${what} does not exist`)
}

/**
 * Makes every error and unknown route of this instance a problem document; details of a 5xx stay in the log. An address
 * that has other methods is answered with these.
 */
export function useProblems(app: FastifyInstance): void {
  const methodsOf = noteMethods(app)
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = toProblem(error)
    if (problem.status >= 500) request.log.error({ err: error, code: problem.code }, 'request.failed')
    return sendProblem(request, reply, problem)
  })
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request)
    if (methods === undefined) {
      const detail = `There is no ${request.method} ${pathOf(request)}`
      return sendProblem(request, reply, new Problem(404, 'NOT_FOUND', detail))
    }
    reply.header('allow', methods.join(', '))
    const detail = `${pathOf(request)} has no ${request.method}, but ${methods.join(' and ')}`
    return sendProblem(request, reply, new Problem(405, 'METHOD_NOT_ALLOWED', detail))
  })
}

/** The problem document for what fails before there is a route, such as an address that cannot be decoded. */
export function refuseUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const status = error.statusCode ?? 400
  // The message of the error repeats the address with its query.
  sendProblem(request, reply, new Problem(status, clientErrorCode(status), 'The address cannot be read'))
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { retryAfterSeconds } = problem
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send({
      type: 'about:blank',
      title: STATUS_CODES[problem.status] ?? 'Error',
      status: problem.status,
      detail: problem.message,
      code: problem.code,
      instance: pathOf(request),
      requestId: request.id,
      ...(problem.errors === undefined ? {} : { errors: problem.errors.slice(0, maxWrongFields) }),
    })
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (isFastifyError(error)) {
    if (error.validation !== undefined) return validationProblem(error)
    const status = error.statusCode ?? 500
    if (status < 500) return new Problem(status, clientErrorCode(status), error.message)
  }
  const classified = toAppError(error)
  const { httpStatus } = failureKinds[classified.kind]
  const code = codeOfKind(classified.kind)
  return new Problem(httpStatus, code, httpStatus >= 500 ? safeDetail(httpStatus) : classified.message)
}

const partNames = new Map([
  ['querystring', 'query'],
  ['params', 'address'],
  ['headers', 'header'],
])

function validationProblem({ validation = [], validationContext }: FastifyError): Problem {
  const part = validationContext ?? 'request'
  const errors = describeViolations(validation, part)
  return new Problem(422, 'VALIDATION_FAILED', `The ${partNames.get(part) ?? part} is not valid`, errors)
}

function clientErrorCode(status: number): AnswerCode {
  const codes: Record<number, AnswerCode> = {
    400: 'BAD_REQUEST',
    404: 'NOT_FOUND',
    405: 'METHOD_NOT_ALLOWED',
    413: 'BODY_TOO_LARGE',
    415: 'UNSUPPORTED_MEDIA_TYPE',
    429: 'TOO_MANY_REQUESTS',
  }
  return codes[status] ?? 'BAD_REQUEST'
}

function safeDetail(status: number): string {
  return status === 503
    ? 'Something this needs is not available at the moment; try again'
    : 'The request failed on our side; the log has the reason'
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'statusCode' in error
}

// The query may carry what should not be repeated.
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? request.url
}
