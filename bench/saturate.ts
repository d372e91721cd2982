import autocannon from 'autocannon'

export type SaturateTask = {
  url: string
  headers: Record<string, string>
  body: string
  connections: number
  seconds: number
  warmUpSeconds: number
}
export type SaturateResult = { perSecond: number; p50: number; p99: number; refused: number }

// As many requests as the server takes, from a process of their own.
const task = JSON.parse(process.argv[2] ?? '{}') as SaturateTask
const common = {
  url: task.url,
  method: 'POST' as const,
  headers: task.headers,
  body: task.body,
  connections: task.connections,
}
await autocannon({ ...common, duration: task.warmUpSeconds })
const result = await autocannon({ ...common, duration: task.seconds })
const answer: SaturateResult = {
  perSecond: result['2xx'] / result.duration,
  p50: result.latency.p50,
  p99: result.latency.p99,
  refused: result.non2xx + result.errors + result.timeouts,
}
process.stdout.write(JSON.stringify(answer))
