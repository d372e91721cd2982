import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const filesOf = (...patterns: string[]) => globSync(patterns, { cwd: root }).sort()

describe('docs/glossary.md', () => {
  const terms = [...read('docs/glossary.md').matchAll(/^\| \*\*(.+?)\*\* \| (.+?) \| `(.+?)` \|$/gm)]

  it('docs/glossary.md gives each term one meaning', () => {
    assert.ok(terms.length >= 45, `${terms.length} terms`)
    const names = terms.map(([, term]) => term)
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    )
  })

  for (const [, term = '', , file = ''] of terms) {
    it(`docs/glossary.md finds "${term}" in ${file}`, () => {
      assert.ok(existsSync(join(root, file)), `${file} does not exist`)
      // The word itself, or as part of a name: "dead letter" is in `DeadLetter`, `dead-letter` and `dead_letter`.
      const spelling = new RegExp(term.split(/[ -]/).join('[\\s*_-]*'), 'i')
      assert.match(read(file), spelling)
    })
  }
})

test('no name is exported by two files of src and workers', () => {
  const files = new Map<string, string[]>()
  for (const file of filesOf('src/**/*.ts', 'workers/*.ts')) {
    const exported = read(file).matchAll(
      /^export (?:async )?(?:function\*?|const|let|class|type|interface|enum) (\w+)/gm,
    )
    for (const [, name = ''] of exported) files.set(name, [...(files.get(name) ?? []), file])
  }
  // A schema and its type share their name and their file.
  const repeated = [...files].filter(([, of]) => new Set(of).size > 1).map(([name]) => name)
  assert.deepEqual(repeated.sort(), [])
})

const bannedWords =
  /\bwish|\bbur(?:y|ied|ies|ying)\b|\btold\b|\bset aside\b|\b(?:some|any|every)body\b|\banew\b|\b(?:of late|lately)\b|\bputs? right\b|\ba yes\b|\bwhoever\b|(?<!["'`])\bnobody\b|\btakes? turns\b|\btakes? (?:its|a|their) turn\b|\bin turn\b/i

test('code, messages and documents use the words of the field', (t) => {
  if (!existsSync(join(root, '.git'))) return t.skip('needs a git checkout to know its files')
  const folders = ['src', 'workers', 'docs', 'ops', 'local', 'sandbox', 'bench', 'chaos']
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    '.env.example',
    'docker-compose.yml',
    'Dockerfile',
  ]
  const listing = execFileSync('git', ['ls-files', ...folders, ...pages], { cwd: root, encoding: 'utf8' })
  const found = listing
    .split('\n')
    .filter((file) => file !== '' && existsSync(join(root, file)))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, index) => (bannedWords.test(line) ? [`${file}:${index + 1} ${line.trim()}`] : [])),
    )
  assert.deepEqual(found, [])
})
