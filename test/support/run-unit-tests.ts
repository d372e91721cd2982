import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findUnitTests } from './unit-tests.ts'

const root = join(import.meta.dirname, '../..')
const options = ['--test', '--test-concurrency=4', '--test-timeout=30000', ...process.argv.slice(2)]
const { status } = spawnSync(process.execPath, [...options, ...findUnitTests(root)], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
