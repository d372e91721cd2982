import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

type Media = Record<string, { schema?: object }>
type Answer = { content?: Media; $ref?: string }
type Parameter = { name: string; in: string; required?: boolean; schema: object }
type Operation = {
  parameters?: Parameter[]
  requestBody?: { content: Media }
  responses: Record<string, Answer>
}
export type ApiDocument = { paths: Record<string, Record<string, Operation>> }

type Exchange = { method: string; url: URL; sent: unknown; status: number; type: string; text: string }

/** Where a call and its answer differ from the document of the API; undefined where they agree. */
export type DocumentCheck = (exchange: Exchange) => string | undefined

const anyText = () => true
// May be answered everywhere, with the shape that stands under `default`.
const commonRefusals = [400, 405, 413, 415, 429]

/**
 * Compares calls with the document: the answer has a status, a media type and a body that its operation names, and a
 * request that was taken is one that the document allows. Addresses beyond the document are not compared.
 */
export function createDocumentCheck(document: ApiDocument): DocumentCheck {
  const formats = { date: anyText, 'date-time': anyText, cron: anyText }
  const common = { strict: false, validateSchema: false, formats }
  const exact = new Ajv2020(common).addSchema(document, 'api')
  const fromText = new Ajv2020({ ...common, coerceTypes: true })
  const compiled = new Map<string, ValidateFunction>()
  // Names with fewer parameters come first: `/replay` is no id.
  const templates = Object.keys(document.paths)
    .toSorted((one, other) => one.split('{').length - other.split('{').length)
    .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))

  function schemaAt(...names: string[]): ValidateFunction {
    const pointer = names.map((name) => name.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')
    const $ref = `api#/${encodeURI(pointer)}`
    const validate = compiled.get($ref) ?? exact.compile({ $ref })
    compiled.set($ref, validate)
    return validate
  }

  function wrongAnswer({ status, type, text }: Exchange, operation: Operation, place: string[]) {
    const isCommon = commonRefusals.includes(status) || status >= 500
    const name = status in operation.responses ? `${status}` : isCommon ? 'default' : undefined
    if (name === undefined) return `the status ${status} is not documented`
    const answer = operation.responses[name]
    const [at, content] =
      answer?.$ref === undefined
        ? [[...place, 'responses', name], answer?.content]
        : [['components', 'responses', 'Problem'], { 'application/problem+json': {} }]
    if (content === undefined) return text === '' ? undefined : `the answer ${status} should have no body`
    if (!(type in content)) return `the answer ${status} is not documented as ${type}`
    const validate = schemaAt(...at, 'content', type, 'schema')
    if (validate(type.includes('json') ? JSON.parse(text) : text)) return undefined
    return `the answer ${status} is not as documented: ${exact.errorsText(validate.errors)}`
  }

  function wrongRequest({ url, sent }: Exchange, operation: Operation, place: string[]) {
    if (sent !== undefined) {
      if (operation.requestBody === undefined) return 'no body is documented, and one was taken'
      const validate = schemaAt(...place, 'requestBody', 'content', 'application/json', 'schema')
      if (!validate(sent))
        return `a body was taken that is not documented: ${exact.errorsText(validate.errors)}`
    }
    const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query')
    const properties = Object.fromEntries(parameters.map(({ name, schema }) => [name, schema]))
    const query = { type: 'object', properties, additionalProperties: false }
    const validate = compiled.get(place.join(' ')) ?? fromText.compile(query)
    compiled.set(place.join(' '), validate)
    if (validate(Object.fromEntries(url.searchParams))) return undefined
    return `a query was taken that is not documented: ${fromText.errorsText(validate.errors)}`
  }

  return (exchange) => {
    const { method, url, status } = exchange
    const template = templates.find(({ pattern }) => pattern.test(url.pathname))
    const operation = document.paths[template?.path ?? '']?.[method.toLowerCase()]
    if (template === undefined || operation === undefined) return undefined
    const place = ['paths', template.path, method.toLowerCase()]
    const wrong =
      wrongAnswer(exchange, operation, place) ??
      (status < 300 ? wrongRequest(exchange, operation, place) : undefined)
    return wrong === undefined ? undefined : `${method} ${url.pathname}${url.search}: ${wrong}`
  }
}

const documented = new Map<string, () => DocumentCheck>()
const plainFetch = globalThis.fetch

/** From now on every `fetch` of the API at this origin rejects where the call differs from the document. */
export function checkAgainstDocument(origin: string, readDocument: () => ApiDocument): void {
  let check: DocumentCheck | undefined
  documented.set(origin, () => {
    check ??= createDocumentCheck(readDocument())
    return check
  })
  globalThis.fetch = checkedFetch
}

async function checkedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await plainFetch(input, init)
  const url = new URL(input instanceof Request ? input.url : input)
  const checkOf = documented.get(url.origin)
  const method = init?.method ?? 'GET'
  if (checkOf === undefined || !url.pathname.startsWith('/v1/') || method === 'HEAD') return response
  // In the binary mode of CloudEvents, headers make up the rest of the event.
  const isPart = new Headers(init?.headers).has('ce-specversion')
  const sent = typeof init?.body === 'string' && !isPart ? parsed(init.body) : undefined
  const type = (response.headers.get('content-type') ?? '').split(';', 1)[0] ?? ''
  const { status } = response
  const text = await response.clone().text()
  const wrong = checkOf()({ method, url, sent, status, type, text })
  if (wrong !== undefined) throw new Error(wrong)
  return response
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
