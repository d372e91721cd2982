import { type OwnRedis, startOwnRedis } from '../../local/own-redis.ts'

export type TestRedis = OwnRedis

/** Runs a Redis that keeps nothing, on a free port; `undefined` where no redis-server is on PATH. It ends with this process, however that ends. */
export async function startTestRedis(): Promise<TestRedis | undefined> {
  return startOwnRedis()
}
