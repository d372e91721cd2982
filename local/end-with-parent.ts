import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

// The shell itself waits, since a command of its own would be left behind when the shell is killed. It waits for the pipe on standard input, which closes when this process ends, even by SIGKILL.
const script = `
while read -r _; do :; done
kill -INT "$1" 2>/dev/null
waited=0
while kill -0 "$1" 2>/dev/null && [ "$waited" -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"
`

/** Ends a child process with this one, however this one ends, and removes its folder, if it has one. Call the returned function once both are gone. */
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
