import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'

// The pipe on standard input closes when this process ends, even by SIGKILL; that is what the shell waits for.
const script = `
cat >/dev/null
kill -INT "$1" 2>/dev/null
waited=0
while kill -0 "$1" 2>/dev/null && [ "$waited" -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
kill -KILL "$1" 2>/dev/null
rm -rf -- "$2"
`

/** Makes sure that a server that is only worth something to this process ends with it, whatever ends this process, and that its folder is removed. Call the returned function once both are gone. */
export function endWithParent(pid: number, folder: string): () => void {
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
