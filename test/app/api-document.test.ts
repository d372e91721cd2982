import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { problemCodes } from '../../src/platform/http/problem-codes.ts'
import { afterAll } from '../support/after-all.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { type ApiDocument, createDocumentCheck } from '../support/documented-answers.ts'
import { startTestSystem, type TestSystem } from '../support/test-system.ts'

type Schema = { required?: string[]; properties?: Record<string, unknown> }
type Answer = {
  description?: string
  content?: Record<string, { schema: { $ref?: string; properties?: { code?: { enum: string[] } } } }>
  $ref?: string
}
type Operation = {
  operationId?: string
  summary?: string
  tags?: string[]
  parameters?: Array<{ name: string; description?: string }>
  requestBody?: { required: boolean; content?: Answer['content'] }
  responses: Record<string, Answer>
  'x-role'?: string[]
}
type Document = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; responses: Record<string, Answer> }
}

const unknownId = '01890000-0000-7000-8000-000000000000'

describe('the description of the API', () => {
  const context = afterAll()
  let system: TestSystem
  let document: Document
  let operations: Array<{ method: string; path: string; operation: Operation }>

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    document = (await system.api<Document>('GET', '/openapi.json', undefined, null)).body
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: path.replace('{version}', '1').replaceAll(/\{\w+\}/g, unknownId),
        operation,
      })),
    )
  })

  it('the description of the API says of every route that what it does not list is a problem document, and how that looks', async () => {
    for (const { method, path, operation } of operations) {
      assert.equal(operation.responses.default?.$ref, '#/components/responses/Problem', `${method} ${path}`)
    }
    const { schema } = document.components.responses.Problem?.content?.['application/problem+json'] ?? {}
    assert.equal(schema?.$ref, '#/components/schemas/Problem')
    const { required = [], properties = {} } = document.components.schemas.Problem ?? {}
    const refusals = [
      assertProblem(await system.api('GET', '/v1/tenants', undefined, null), 401, 'UNAUTHENTICATED'),
      assertProblem(await system.api('POST', '/v1/tenants', {}), 422, 'VALIDATION_FAILED'),
    ]
    for (const problem of refusals) {
      for (const name of Object.keys(problem)) assert.ok(name in properties, `${name} is not described`)
      for (const name of required) assert.ok(name in problem, `${name} is missing`)
    }
  })

  it('the description of the API passes the rules of Redocly, but for a license and refusals of probes', async () => {
    const rules = { 'info-license': 'off', 'operation-4xx-response': 'off' } as const
    const config = await createConfig({ extends: ['recommended-strict'], rules })
    const found = await lintFromString({ source: JSON.stringify(document), config })
    assert.deepEqual(
      found.map(({ ruleId, message, location: [place] }) => `${ruleId} at ${place?.pointer}: ${message}`),
      [],
    )
  })

  it('the description of the API gives each operation an id, a summary, a tag, and a text for each parameter', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.equal(new Set(ids).size, ids.length)
    for (const { method, path, operation } of operations) {
      assert.ok(
        operation.operationId && operation.summary && operation.tags?.length === 1,
        `${method} ${path}`,
      )
      for (const { name, description } of operation.parameters ?? []) {
        assert.ok(description, `${method} ${path} ${name}`)
      }
    }
  })

  it('the description of the API has a named schema for every body and every answer', () => {
    for (const { method, path, operation } of operations) {
      const answers = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'))
      const contents = [operation.requestBody?.content, ...answers.map(([, { content }]) => content)]
      for (const [type, { schema }] of contents.flatMap((content) => Object.entries(content ?? {}))) {
        assert.match(schema.$ref ?? '', /^#\/components\/schemas\/\w+$/, `${method} ${path} ${type}`)
      }
    }
  })

  it('the description of the API lists the roles and the codes of the refusals of every protected operation', () => {
    const codes = document.components.schemas.Problem?.properties?.code as { enum: string[] }
    assert.deepEqual(codes.enum, problemCodes(['hostaway']))
    for (const { method, path, operation } of operations.filter((one) => one.path.startsWith('/v1/'))) {
      assert.ok((operation['x-role'] ?? []).length > 0, `${method} ${path}`)
      for (const status of ['401', '403', ...(path.includes(unknownId) ? ['404'] : [])]) {
        const schema = operation.responses[status]?.content?.['application/problem+json']?.schema
        assert.ok((schema?.properties?.code?.enum ?? []).length > 0, `${method} ${path} ${status}`)
      }
    }
  })

  it('the description of the API is what the tests compare every call with, and a difference is found', () => {
    const check = createDocumentCheck(document as unknown as ApiDocument)
    const list = { data: [], nextCursor: null }
    const look = (method: string, path: string, status: number, body: unknown, sent?: unknown) => {
      const type = status < 400 ? 'application/json' : 'application/problem+json'
      const text = JSON.stringify(body)
      return check({ method, url: new URL(path, 'http://any'), sent, status, type, text })
    }
    const problem = (status: number, code: string) => {
      const texts = {
        type: 'about:blank',
        title: 'any',
        detail: 'any',
        instance: '/v1/any',
        requestId: 'any',
      }
      return { ...texts, status, code }
    }
    const discard = `/v1/dead-letters/${unknownId}/discard`
    assert.equal(look('GET', '/v1/bookings?limit=2', 200, list), undefined)
    assert.equal(look('GET', '/v1/bookings', 503, problem(503, 'DATABASE_UNAVAILABLE')), undefined)
    assert.equal(look('POST', discard, 409, problem(409, 'DEAD_LETTER_NOT_OPEN'), {}), undefined)
    assert.match(look('GET', '/v1/bookings', 200, { data: [] }) ?? '', /nextCursor/)
    assert.match(look('GET', '/v1/bookings', 200, { ...list, data: [{ id: 1 }] }) ?? '', /data\/0/)
    assert.match(look('GET', '/v1/bookings', 206, list) ?? '', /206 is not documented/)
    assert.match(look('GET', '/v1/bookings', 409, problem(409, 'NOT_FOUND')) ?? '', /409 is not documented/)
    assert.match(look('POST', discard, 409, problem(409, 'IMPORT_RUNNING')) ?? '', /code/)
    assert.match(look('GET', '/v1/bookings', 500, problem(500, 'NO_SUCH_CODE')) ?? '', /code/)
    assert.match(look('GET', '/v1/bookings?colour=blue', 200, list) ?? '', /query was taken/)
    assert.match(look('GET', '/v1/bookings?limit=x', 200, list) ?? '', /query was taken/)
    const count = { count: 1 }
    assert.match(look('POST', '/v1/dead-letters/replay', 202, count, { colour: 1 }) ?? '', /body was taken/)
    assert.match(look('DELETE', `/v1/tokens/${unknownId}`, 204, {}) ?? '', /no body/)
  })

  it('the description of the API names what every status means', () => {
    for (const { method, path, operation } of operations) {
      for (const [status, { description }] of Object.entries(operation.responses)) {
        assert.notEqual(description, 'Default Response', `${method} ${path} ${status}`)
      }
    }
  })

  it('the description of the API asks for a body exactly where a request without one is refused for that', async () => {
    const withBody = operations.filter(
      ({ path, operation }) => path.startsWith('/v1/') && operation.requestBody !== undefined,
    )
    const optional = withBody.filter(({ operation }) => operation.requestBody?.required === false)
    assert.ok(optional.length >= 6)
    for (const { method, path } of optional) {
      const { status, text } = await system.api(method, path)
      assert.ok([202, 404].includes(status), `${method} ${path}: ${status} ${text}`)
    }
    for (const { method, path } of withBody.filter((one) => !optional.includes(one))) {
      const { status, text } = await system.api(method, path)
      assert.ok([404, 422].includes(status), `${method} ${path}: ${status} ${text}`)
    }
  })
})
