import { STATUS_CODES } from 'node:http'

type Content = Record<string, { schema?: Record<string, unknown> }>
type Answer = { description?: string; content?: Content } | { $ref: string }
type Operation = {
  requestBody?: { required?: boolean; content?: Content }
  responses?: Record<string, Answer>
}
type Paths = Record<string, Record<string, Operation>>
type ApiDocument = {
  paths?: object | undefined
  components?: { schemas?: object; responses?: object } | undefined
}

const text = { type: 'string' }
const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'instance'],
  properties: {
    type: text,
    title: text,
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What is wrong, for people.' },
    code: { type: 'string', description: 'What is wrong, for programs.' },
    instance: { type: 'string', description: 'The path that was asked for.' },
    errors: {
      type: 'array',
      description: 'Every field that is not valid, where that is what is wrong.',
      items: { type: 'object', required: ['field', 'message'], properties: { field: text, message: text } },
    },
  },
}
const problemAnswer = {
  description: 'Refused or failed: a problem document (RFC 9457)',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}
// What stands there for an answer whose route does not describe it.
const unsaid = 'Default Response'

/**
 * The API's description with what holds for every route: each answer that is not listed is a problem document, a status
 * has its name, and a body that has a default may be left out. Changes nothing of what it is given.
 */
export function completeApiDocument<Document extends ApiDocument>(document: Document): Document {
  const { schemas, responses, ...components } = document.components ?? {}
  return {
    ...document,
    components: {
      ...components,
      schemas: { ...schemas, Problem: problemSchema },
      responses: { ...responses, Problem: problemAnswer },
    },
    paths: mapValues(document.paths as Paths, (path) => mapValues(path, complete)),
  }
}

function complete({ requestBody, responses = {}, ...operation }: Operation): Operation {
  return {
    ...operation,
    ...(requestBody === undefined
      ? {}
      : { requestBody: { ...requestBody, required: isRequired(requestBody) } }),
    responses: {
      ...mapValues(responses, (answer, status) =>
        'description' in answer && answer.description === unsaid
          ? { ...answer, description: STATUS_CODES[status] ?? unsaid }
          : answer,
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function isRequired({ content = {} }: { content?: Content }): boolean {
  return Object.values(content).every(({ schema }) => schema === undefined || !('default' in schema))
}

function mapValues<Value, Mapped>(
  values: Record<string, Value>,
  map: (value: Value, key: string) => Mapped,
): Record<string, Mapped> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value, key)]))
}
