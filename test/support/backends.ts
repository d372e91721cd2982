import { randomBytes } from 'node:crypto'

/** A queue backend that can be tested here, with a key prefix that no other use has. */
export type QueueBackend =
  | { name: 'redis'; redisUrl: string; prefix: string }
  | { name: 'postgres'; redisUrl: undefined; prefix: string }

/** The queue backends of this test run: PostgreSQL always, Redis where one was found. */
export function queueBackends(): QueueBackend[] {
  const prefix = () => `test_${randomBytes(6).toString('hex')}`
  const backends: QueueBackend[] = [{ name: 'postgres', redisUrl: undefined, prefix: prefix() }]
  const redisUrl = process.env.TEST_REDIS_URL
  if (redisUrl !== undefined) backends.push({ name: 'redis', redisUrl, prefix: prefix() })
  return backends
}
