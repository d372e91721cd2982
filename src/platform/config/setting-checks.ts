import envSchema from 'env-schema'
import type { TObject } from 'typebox'

const databaseProtocols = ['postgres:', 'postgresql:']

/** The settings of an environment by their schema, with defaults; what does not fit it joins the problems. */
export function readSettings<Settings>(
  schema: TObject,
  environment: Record<string, string | undefined>,
  problems: string[],
): Settings {
  try {
    return envSchema<Settings>({ schema: structuredClone(schema), data: environment, env: false })
  } catch (error) {
    for (const problem of schemaProblems(error, schema)) problems.push(problem)
    // The rest is still checked, on what is readable, so that everything wrong is said at once.
    return { ...defaultsOf(schema), ...environment } as unknown as Settings
  }
}

/** What a reader makes of a setting; if it throws, that joins the problems, under the name of the setting. */
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
    // Nobody wants to read a regular expression at start.
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
