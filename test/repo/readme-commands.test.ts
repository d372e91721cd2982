import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { settingsSchema } from '../../src/platform/config/settings-schema.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = [...globSync(['*.md', 'docs/**/*.md'], { cwd: root }).sort(), 'sandbox/README.md']
const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

for (const page of pages) {
  describe(page, async () => {
    const text = await readFile(join(root, page), 'utf8')

    it('names only commands that package.json has', () => {
      const commands = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name)
      const shorthands = [...text.matchAll(/\bnpm (start|test)\b/g)].map(([, name = '']) => name)
      const missing = [...commands, ...shorthands].filter((name) => !(name in scripts))
      assert.deepEqual(missing, [])
    })

    it('leads only to files that exist', () => {
      const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target)
      const local = links.filter((target) => !/^[a-z]+:/.test(target))
      const missing = local.filter((target) => !existsSync(join(root, dirname(page), target)))
      assert.deepEqual(missing, [])
    })

    it('names only files that exist', () => {
      const named = [...text.matchAll(/`((?:src|workers|test|local|migrations|ops|docs)\/[\w./-]+)`/g)]
      const missing = named.map(([, file = '']) => file).filter((file) => !existsSync(join(root, file)))
      assert.deepEqual(missing, [])
    })

    it('sets only settings that exist', () => {
      const set = [...text.matchAll(/`([A-Z][A-Z0-9_]+)=[^`]*`/g)].map(([, name = '']) => name)
      assert.deepEqual(
        set.filter((name) => !(name in settingsSchema.properties)),
        [],
      )
    })
  })
}

it('the flows of docs/architecture.md lead through files that exist', async () => {
  const text = await readFile(join(root, 'docs/architecture.md'), 'utf8')
  const flows = [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, flow = '']) => flow).join('\n')
  const named = [...flows.matchAll(/\b[\w-]+(?:\/[\w-]+)*\/[\w-]+\.ts\b/g)].map(([file]) => `src/${file}`)
  assert.ok(named.length > 15)
  assert.deepEqual(
    named.filter((file) => !existsSync(join(root, file))),
    [],
  )
})

it('every command of package.json starts a file that exists', () => {
  const files = Object.values(scripts).flatMap(
    (script) => script.match(/(?<![*\w./-])[\w-][\w./-]*\.(ts|mjs|cjs)\b/g) ?? [],
  )
  assert.notEqual(files.length, 0)
  assert.deepEqual(
    files.filter((file) => !existsSync(join(root, file))),
    [],
  )
})
