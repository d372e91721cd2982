import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

export type DocumentedCommand = {
  method: string
  path: string
  body: unknown
  /** The answer that the page shows below it, if it shows one; `…` stands for anything. */
  shown: unknown
}

/** The calls of the API that a page of the documentation shows, in its order; variables stand as they are. */
export async function readDocumentedCommands(page: string): Promise<DocumentedCommand[]> {
  const text = await readFile(join(root, page), 'utf8')
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind = '', code = '']) => ({
    kind,
    code,
  }))
  return blocks.flatMap(({ kind, code }, index) => {
    if (kind !== 'sh') return []
    const next = blocks[index + 1]
    return [{ ...readCurl(code), shown: next?.kind === 'json' ? JSON.parse(next.code) : undefined }]
  })
}

function readCurl(code: string): Omit<DocumentedCommand, 'shown'> {
  const line = code.replaceAll(/\\\n\s*/g, ' ').trim()
  const path = /"localhost:3000([^"]*)"/.exec(line)?.[1]
  assert.ok(line.startsWith('curl ') && path !== undefined, `not a call of the API: ${line}`)
  assert.ok(line.includes('-H "authorization: Bearer $TOKEN"'), `says no token: ${line}`)
  const body = /-d '([^']*)'/.exec(line)?.[1]
  assert.equal(body !== undefined, line.includes("-H 'content-type: application/json'"), line)
  return {
    method: /-X (\w+)/.exec(line)?.[1] ?? 'GET',
    path,
    body: body === undefined ? undefined : JSON.parse(body),
  }
}

/** Checks that an answer says everything that is shown, where that is not `…`. */
export function assertShows(answer: unknown, shown: unknown, where = 'answer'): void {
  if (shown === '…') return
  if (typeof shown !== 'object' || shown === null) {
    assert.deepEqual(answer, shown, where)
    return
  }
  assert.ok(typeof answer === 'object' && answer !== null, where)
  if (Array.isArray(shown)) assert.equal((answer as unknown[]).length, shown.length, where)
  for (const [name, value] of Object.entries(shown)) {
    assertShows((answer as Record<string, unknown>)[name], value, `${where}.${name}`)
  }
}
