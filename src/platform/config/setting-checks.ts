import envSchema from 'env-schema'
import type { TObject } from 'typebox'

const databaseProtocols = ['postgres:', 'postgresql:']

/** Reads an environment by the schema, with defaults; appends every violation to `problems`. */
export function readSettings<Settings>(
  schema: TObject,
  environment: Record<string, string | undefined>,
  problems: string[],
): Settings {
  try {
    return envSchema<Settings>({ schema: structuredClone(schema), data: environment, env: false })
  } catch (error) {
    for (const problem of schemaProblems(error, schema)) problems.push(problem)
    // The remaining checks still run on the readable values, so that one start reports every problem.
    return { ...defaultsOf(schema), ...environment } as unknown as Settings
  }
}

/** The result of `read`; its error is appended to `problems` under the name of the setting. */
export function readable<Value>(name: string, read: () => Value, problems: string[]): Value | undefined {
  try {
    return read()
  } catch (error) {
    problems.push(`${name}: ${error instanceof Error ? error.message : 'not readable'}`)
    return undefined
  }
}

export function checkDatabaseUrl(url: string | undefined, problems: string[], hint = ''): void {
  if (url === undefined) problems.push(`DATABASE_URL is required here: a PostgreSQL URL${hint}`)
  else checkUrl('DATABASE_URL', url, databaseProtocols, problems)
}

export function checkUrl(name: string, value: string, protocols: string[], problems: string[]): void {
  if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
    problems.push(
      `${name} must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    )
  }
}

type SchemaError = {
  instancePath: string
  keyword: string
  message?: string
  params?: { allowedValues?: string[] }
}

function schemaProblems(error: unknown, schema: TObject): string[] {
  const { errors } = error as { errors?: SchemaError[] }
  if (errors === undefined) throw error
  return errors.map(({ instancePath, keyword, message, params }) => {
    const name = instancePath.slice(1)
    const property: { description?: string } | undefined = schema.properties[name]
    // The sentence of the setting reads better than its regular expression.
    if (keyword === 'pattern' && property?.description !== undefined) {
      return `${name} is not valid: ${property.description}`
    }
    const allowed = params?.allowedValues === undefined ? '' : `: ${params.allowedValues.join(', ')}`
    return `${name} ${message ?? 'is not valid'}${allowed}`
  })
}

function defaultsOf(schema: TObject): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties)
      .filter(([, property]) => 'default' in property)
      .map(([name, property]) => [name, (property as { default?: unknown }).default]),
  )
}
