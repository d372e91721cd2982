import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')
// The last commit before the rule.
const since = '753ed319434e6ea69475add72d10d1e54a94d636'
const maxSubject = 72

test('commit subjects fit in one line', (t) => {
  const { status, stdout } = spawnSync('git', ['log', '--format=%s', `${since}..HEAD`], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) return t.skip('needs a checkout with its history')
  const subjects = stdout.split('\n').filter((subject) => subject.length > maxSubject)
  assert.deepEqual(subjects, [])
})
