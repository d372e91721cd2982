import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { findConnection, findUnitTests } from './unit-tests.ts'

const repository = join(import.meta.dirname, '../..')
const scratch = mkdtempSync(join(tmpdir(), 'hostaway-units-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

function plant(files: Record<string, string>): string {
  const root = mkdtempSync(join(scratch, 'root-'))
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), source)
  }
  return root
}

for (const [index, reaching] of [
  `import { Client } from 'pg'`,
  `import {\n  Queue,\n  Worker,\n} from 'bullmq'`,
  `import 'ioredis'`,
  `export { spawn } from 'node:child_process'`,
  `import { connect, isIP } from 'node:net'`,
  `import http from 'node:http'`,
  `const { fork } = await import(\n'node:child_process')`,
].entries()) {
  test(`a test that reaches a server or a process through other files is no unit test (way ${index + 1})`, () => {
    const root = plant({
      'test/planted.test.ts': `import '../src/near.ts'`,
      'src/near.ts': `import { far } from './deeper/far.ts'`,
      'src/deeper/far.ts': reaching,
    })
    assert.deepEqual(findUnitTests(root), [])
    assert.deepEqual(findConnection(root, 'test/planted.test.ts')?.path, [
      'test/planted.test.ts',
      'src/near.ts',
      'src/deeper/far.ts',
    ])
  })
}

test('a test that only computes is a unit test, whatever types it names and however its files import each other', () => {
  const root = plant({
    'test/planted.test.ts': `import { one } from '../src/one.ts'\nimport type { Client } from 'pg'`,
    'src/one.ts': `import { two } from './two.ts'\nimport { isIP } from 'node:net'`,
    'src/two.ts': `import { one } from './one.ts'\nexport type { Queue } from 'bullmq'`,
  })
  assert.deepEqual(findUnitTests(root), ['test/planted.test.ts'])
})

test('the unit part of this project covers every part that computes', () => {
  const found = findUnitTests(repository)
  for (const folder of [
    'bookings',
    'calendar',
    'channels/hostaway',
    'mapping',
    'platform',
    'polling',
    'workers',
  ]) {
    assert.ok(
      found.some((file) => file.startsWith(`test/${folder}/`)),
      `no test of ${folder} is without a connection`,
    )
  }
})
