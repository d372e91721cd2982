import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

// The pipe on standard input closes when this process ends, even by SIGKILL; that is what the shell waits for.
const script = `
cat >/dev/null
kill -INT "$1" 2>/dev/null
waited=0
while kill -0 "$1" 2>/dev/null && [ "$waited" -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"
`

/** Makes sure that a process that is only worth something to this one ends with it, whatever ends this one, and that its folder, if it has one, is removed. Call the returned function once both are gone. */
export function endWithParent(pid: number, folder = ''): () => void {
  const guard = spawn('/bin/sh', ['-c', script, 'sh', String(pid), folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.on('error', () => {})
  guard.stdin.on('error', () => {})
  guard.unref()
  const pipe = guard.stdin as Socket
  pipe.unref()
  return () => {
    guard.kill('SIGKILL')
  }
}
