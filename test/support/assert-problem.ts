import assert from 'node:assert/strict'
import type { ApiAnswer } from './test-system.ts'

export type ProblemBody = {
  type: string
  title: string
  status: number
  detail: string
  code: string
  instance: string
  requestId: string
  errors?: Array<{ field: string; message: string }>
}

/** Asserts that an answer is a complete problem document, and gives its body. */
export function assertProblem(answer: ApiAnswer<unknown>, status: number, code: string): ProblemBody {
  const problem = answer.body as ProblemBody
  assert.deepEqual([answer.status, problem.code], [status, code], answer.text)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json\b/)
  assert.equal(problem.status, status)
  for (const key of ['type', 'title', 'detail', 'instance', 'requestId'] as const) {
    assert.equal(typeof problem[key], 'string', key)
    assert.notEqual(problem[key], '', key)
  }
  assert.doesNotMatch(problem.instance, /\?/)
  return problem
}

/** A problem document without the id of its request, which no two share. */
export function withoutRequestId(text: string): string {
  return text.replace(/,"requestId":"[^"]*"/, '')
}
