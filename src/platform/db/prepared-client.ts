import pg from 'pg'

const marker = /^\s*\/\* prepared: ([a-z_]+) \*\//

/**
 * A client that prepares the statements whose first comment is `prepared: <name>`, once per
 * connection: others are parsed and planned each time, which for a hot one costs as much as a few of its rows. Only
 * for statements whose text never changes and that return no columns, since a prepared one fails once those change.
 */
export class PreparingClient extends pg.Client {
  // What is passed on is what was given, so every overload holds.
  override query = ((text: unknown, values?: unknown, ...rest: unknown[]) => {
    const name = typeof text === 'string' ? marker.exec(text)?.[1] : undefined
    const query = super.query.bind(this) as (...given: unknown[]) => unknown
    return name === undefined ? query(text, values, ...rest) : query({ name, text, values }, ...rest)
  }) as pg.Client['query']
}
