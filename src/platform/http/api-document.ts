import { createHash } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import { withDefaultBody } from './optional-body.ts'
import { problemCodes, type Refusals, refusalsOf } from './problem-codes.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The codes of the route's own refusals; what every route like it may refuse is added in the document. */
    refusals?: Refusals
    /** The body of a route that reads its bytes itself: described, and not validated. */
    describedBody?: object
  }
}

type Json = { [name: string]: Json } | Json[] | string | number | boolean | null | undefined
type Fields = { [name: string]: Json }
type Content = Record<string, { schema?: Fields }>
type Operation = {
  operationId?: string
  tags?: string[]
  parameters?: Array<{ name: string; in: string; required?: boolean; schema?: Json }>
  requestBody?: { required?: boolean; content?: Content }
  responses?: Record<string, { description?: string; content?: Content }>
  security?: object[]
  'x-role'?: string[]
  'x-refusals'?: Refusals
}
type ApiDocument = {
  paths?: object | undefined
  components?: { schemas?: object; responses?: object } | undefined
}

const tagTexts: Record<string, string> = {
  Bookings: 'Bookings, the nights they hold, and the events about them.',
  Connections: 'Accounts of a channel, their listings, and how they are kept in step.',
  History: 'Reading what a channel held before it was connected.',
  Mapping: 'How reservations become bookings.',
  Operations: 'For those who run the connector.',
  'TVL to the channel': 'What TVL desires of the channel, and how far the pushes are.',
  'Tenants and tokens': 'Who may call.',
  'When things fail': 'What was received, what failed, and how to try again.',
}

/** Serves the description of all routes that are registered afterwards at `/openapi.json`; takes the names of the channels. */
export async function describeApi(app: FastifyInstance, channels: string[]): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Hostaway connector',
        version: '0.1.0',
        description:
          'Keeps TVL and Hostaway in step. Errors are RFC 9457 problem documents with a stable `code`. `x-role` names the least roles that may call an operation: admin includes owner, owner includes manager and service, manager includes viewer.',
      },
      servers: [{ url: '/', description: 'Where this document comes from' }],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'A token of POST /v1/tokens.' },
          webhookLogin: {
            type: 'http',
            scheme: 'basic',
            description: 'As registered at the channel; a connection may require a signature instead.',
          },
        },
      },
    },
    transform: ({ schema, url, route }) => {
      const { roles, refusals, describedBody } = route.config ?? {}
      const described = {
        security: [],
        ...withDefaultBody(schema ?? {}, route.config),
        ...(roles === undefined ? {} : { 'x-role': roles }),
        ...(describedBody === undefined ? {} : { body: describedBody }),
        'x-refusals': refusalsOf(channels, refusals ?? {}),
      }
      return { schema: described as FastifySchema, url }
    },
    transformObject: (made) =>
      'openapiObject' in made
        ? completeApiDocument(made.openapiObject, problemCodes(channels))
        : made.swaggerObject,
  })
  // Made once: its hundreds of kilobytes take longer to write than many a request.
  let made: { text: string; etag: string } | undefined
  const document = () => {
    if (made !== undefined) return made
    const text = JSON.stringify(app.swagger())
    made = { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 20)}"` }
    return made
  }
  const send = (request: FastifyRequest, reply: FastifyReply) => {
    const { text, etag } = document()
    reply.header('etag', etag).header('cache-control', 'no-cache')
    return request.headers['if-none-match'] === etag
      ? reply.code(304).send()
      : reply.type('application/json; charset=utf-8').send(text)
  }
  app.get('/openapi.json', { schema: { hide: true } }, send)
  // The pages of the documentation would write theirs again for each request.
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url === '/docs/json') return send(request, reply)
    if (request.routeOptions.url === '/docs/yaml') return reply.redirect('/openapi.json')
  })
}

const text = { type: 'string' }
const problemSchema = (codes: string[]) => ({
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'instance', 'requestId'],
  properties: {
    type: text,
    title: text,
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What is wrong, for people.' },
    code: { type: 'string', enum: codes, description: 'What is wrong, for programs.' },
    instance: { type: 'string', description: 'The path that was asked for.' },
    requestId: { type: 'string', description: 'The `X-Request-Id` of the request; the log names it.' },
    errors: {
      type: 'array',
      description: 'Every wrong field, up to 100, where fields are what is wrong.',
      items: { type: 'object', required: ['field', 'message'], properties: { field: text, message: text } },
    },
  },
})
const problemAnswer = {
  description: 'Refused or failed: a problem document (RFC 9457)',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}
// What stands there for an answer whose route does not describe it.
const undescribed = 'Default Response'

/**
 * The API's description with what holds for every route: its refusals with their codes, any other failure as a problem
 * document, a name for each status, and a component for each schema with a title. Changes nothing of what it is given.
 */
function completeApiDocument<Document extends ApiDocument>(document: Document, codes: string[]): Document {
  const { schemas, responses, ...components } = document.components ?? {}
  const named: Record<string, Json> = { Problem: problemSchema(codes) }
  const operations = mapValues(document.paths as Record<string, Record<string, Operation>>, (path) =>
    mapValues(path, complete),
  )
  const titled = mapValues(operations, (path) => mapValues(path, titlingSchemas))
  const paths = namingSchemas(titled as Json, named)
  return {
    ...document,
    tags: tagsOf(operations),
    components: {
      ...components,
      schemas: { ...schemas, ...named },
      responses: { ...responses, Problem: problemAnswer },
    },
    paths,
  }
}

function tagsOf(paths: Record<string, Record<string, Operation>>) {
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods))
  const names = new Set(operations.flatMap(({ tags = [] }) => tags))
  return [...names]
    .toSorted()
    .map((name) => ({ name, description: tagTexts[name] ?? 'Called by a channel.' }))
}

function complete(operation: Operation): Operation {
  const { 'x-refusals': own = {}, requestBody, parameters, responses = {}, ...rest } = operation
  const refusals = allRefusals(operation, own)
  const described = mapValues(responses, ({ description, ...answer }, status) => ({
    description: description === undescribed ? (STATUS_CODES[status] ?? undescribed) : description,
    ...answer,
  }))
  return {
    ...rest,
    ...(parameters === undefined ? {} : { parameters: parameters.map(describedParameter) }),
    ...(requestBody === undefined
      ? {}
      : {
          requestBody: {
            ...requestBody,
            required: isRequired(requestBody),
            content: mapValues(requestBody.content ?? {}, ({ schema, ...media }) => ({
              ...media,
              schema: onlyStorable(schema) as Fields,
            })),
          },
        }),
    responses: {
      ...described,
      ...mapValues(refusals, (codes, status) => refusalAnswer(status, codes ?? [])),
      default: { $ref: '#/components/responses/Problem' },
    } as Operation['responses'] & {},
  }
}

const queryTexts: Record<string, string> = {
  arrivalFrom: 'Only stays that begin on this day or later.',
  arrivalTo: 'Only stays that begin on this day or earlier.',
  confirmationCode: 'Only what has this code, in any case.',
  connection: 'Only what belongs to the connection with this id.',
  externalId: 'Only what has this id at the channel.',
  kind: 'Only failures of this kind.',
  queue: 'Only jobs of this queue.',
  status: 'Only what has this status.',
  tenant: 'Slug of the tenant; needed where the caller is an admin.',
  unitId: 'Only what belongs to this unit.',
}

function describedParameter(parameter: NonNullable<Operation['parameters']>[number]) {
  if (parameter.in !== 'query') return parameter
  const { name, required, schema } = parameter
  return {
    ...(queryTexts[name] === undefined ? {} : { description: queryTexts[name] }),
    ...parameter,
    required: required === true && !(isFields(schema) && 'default' in schema),
    schema: onlyStorable(schema),
  }
}

// What follows from the parts that a route has, beside what its handler refuses.
function allRefusals({ parameters = [], requestBody, security = [] }: Operation, own: Refusals): Refusals {
  const has = (place: string, name?: string) =>
    parameters.some((one) => one.in === place && (name === undefined || one.name === name))
  const names = JSON.stringify(requestBody ?? {})
  const isProtected = security.some((scheme) => 'token' in scheme)
  const namesTenant = has('query', 'tenant') || names.includes('"tenant":')
  const all: Array<[keyof Refusals, Refusals[keyof Refusals], boolean]> = [
    [401, ['UNAUTHENTICATED'], isProtected],
    [403, ['FORBIDDEN'], isProtected],
    [404, ['NOT_FOUND'], isProtected && (has('path') || namesTenant)],
    [422, ['VALIDATION_FAILED'], isProtected],
    [422, ['INVALID_CURSOR'], has('query', 'cursor')],
    [422, ['TENANT_REQUIRED'], namesTenant],
    [422, ['IDEMPOTENCY_KEY_REUSED'], has('header', 'idempotency-key')],
  ]
  const merged: Refusals = { ...own }
  for (const [status, codes = [], applies] of all) {
    if (applies) merged[status] = [...new Set([...codes, ...(merged[status] ?? [])])]
  }
  return merged
}

function refusalAnswer(status: string, codes: string[]) {
  const schema = {
    allOf: [{ $ref: '#/components/schemas/Problem' }],
    type: 'object',
    properties: { code: { type: 'string', enum: codes.toSorted() } },
  }
  return {
    description: STATUS_CODES[status] ?? undescribed,
    content: { 'application/problem+json': { schema } },
  }
}

function isRequired({ content = {} }: { content?: Content }): boolean {
  return Object.values(content).every(({ schema }) => schema === undefined || !('default' in schema))
}

// A text with NUL is refused, so the document excludes it where no narrower rule does.
function onlyStorable(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(onlyStorable)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = mapValues(schema, (part, name) => (name === 'examples' ? part : onlyStorable(part)))
  const isFreeText =
    [schema.type].flat().includes('string') &&
    ['pattern', 'format', 'enum', 'const'].every((name) => schema[name] === undefined)
  return isFreeText ? { ...inner, pattern: '^[^\\u0000]*$' } : inner
}

// Generated clients name a type after its schema, so each body and each answer has a title: its own, that of its entries,
// or that of the operation.
function titlingSchemas(operation: Operation): Operation {
  const { operationId, requestBody, responses = {} } = operation
  const name = capitalised(operationId ?? '')
  const titled = (content: Content | undefined, title: string) =>
    mapValues(content ?? {}, ({ schema, ...media }) => ({
      ...media,
      ...(schema === undefined ? {} : { schema: { title: pageTitle(schema) ?? title, ...schema } }),
    }))
  return {
    ...operation,
    ...(requestBody === undefined
      ? {}
      : { requestBody: { ...requestBody, content: titled(requestBody.content, `${name}Body`) } }),
    responses: mapValues(responses, ({ content, ...answer }, status) =>
      content === undefined || !status.startsWith('2')
        ? { ...answer, ...(content === undefined ? {} : { content }) }
        : { ...answer, content: titled(content, `${name}Answer`) },
    ),
  }
}

// Only a list with nothing beside its entries and the cursor is the same wherever these entries are listed.
function pageTitle({ properties }: Fields): string | undefined {
  if (!isFields(properties) || Object.keys(properties).toSorted().join() !== 'data,nextCursor') return
  const { data } = properties
  const title = isFields(data) && isFields(data.items) ? data.items.title : undefined
  return typeof title === 'string' ? `${title}Page` : undefined
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

// Gives each schema with a title its place among the components, and lets the others point there.
function namingSchemas(value: Json, named: Record<string, Json>): Json {
  if (Array.isArray(value)) return value.map((entry) => namingSchemas(entry, named))
  if (typeof value !== 'object' || value === null) return value
  const walked = mapValues(value, (entry, name) =>
    name === 'examples' ? entry : namingSchemas(entry, named),
  )
  const { title, ...tagged } = withTagMapping(withOtherNames(withAlternatives(walked)), named)
  if (typeof title !== 'string') return tagged
  const known = named[title]
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(tagged)) {
    throw new Error(`Two schemas of the API have the title ${title}`)
  }
  named[title] = tagged
  return { $ref: `#/components/schemas/${title}` }
}

// Conditions become alternatives, which more tools understand.
function withAlternatives({ if: condition, then: having, else: lacking, ...schema }: Fields): Fields {
  return condition === undefined || having === undefined || lacking === undefined
    ? schema
    : { ...schema, anyOf: [having, lacking] }
}

// The rule for names beyond the listed ones becomes a pattern of these names: in many languages a rule for all others
// would have to hold for the listed ones as well, and a client generated from it does not compile.
function withOtherNames(schema: Fields): Fields {
  const { properties, additionalProperties: rule } = schema
  if (!isFields(properties) || !isFields(rule)) return schema
  const listed = Object.keys(properties).join('|')
  return { ...schema, patternProperties: { [`^(?!(?:${listed})$)`]: rule }, additionalProperties: true }
}

// Which value of the tag means which component; the validator wants no such list, and finds it by itself.
function withTagMapping(schema: Fields, named: Record<string, Json>): Fields {
  const { discriminator, oneOf } = schema
  if (!isFields(discriminator) || !Array.isArray(oneOf)) return schema
  const tag = String(discriminator.propertyName)
  const mapping = oneOf.flatMap((one) => {
    const ref = isFields(one) ? String(one.$ref) : ''
    const component = named[ref.replace('#/components/schemas/', '')]
    const property = isFields(component) && isFields(component.properties) ? component.properties[tag] : null
    const [value] = isFields(property) ? [property.const ?? property.enum].flat() : []
    return value === undefined ? [] : [[String(value), ref]]
  })
  return { ...schema, discriminator: { ...discriminator, mapping: Object.fromEntries(mapping) } }
}

function isFields(value: Json): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapValues<Value, Mapped>(
  values: Record<string, Value>,
  map: (value: Value, key: string) => Mapped,
): Record<string, Mapped> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value, key)]))
}
