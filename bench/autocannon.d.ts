declare module 'autocannon' {
  type Options = {
    url: string
    method: 'POST' | 'GET'
    headers: Record<string, string>
    body?: string
    connections: number
    duration: number
  }
  type Result = {
    '2xx': number
    non2xx: number
    errors: number
    timeouts: number
    /** Seconds. */
    duration: number
    /** Milliseconds. */
    latency: { p50: number; p99: number }
  }
  export default function autocannon(options: Options): Promise<Result>
}
