import { parseArgs } from 'node:util'
import type { Backend } from './services.ts'
import { type BodyKind, bodyKinds } from './webhook-bodies.ts'

export const inboundParts = ['throughput', 'paced', 'booking', 'drain', 'memory'] as const
export type InboundPart = (typeof inboundParts)[number]

export const subjects = ['inbound', 'outbound', 'limiter', 'fairness', 'import', 'growth', 'defence'] as const
export type Subject = (typeof subjects)[number]

export type BenchOptions = {
  subject: Subject
  parts: InboundPart[]
  backends: Backend[]
  bodies: BodyKind[]
  rounds: number
  seconds: number
  warmUpSeconds: number
  connections: number
  drained: number
  backlog: number
  reservations: number
  rows: number[]
  /** A smaller size of everything. */
  quick: boolean
  /** A PostgreSQL server to measure on; unset, one of its own is started. */
  server: string | undefined
  /** Where the figures go as JSON. */
  jsonFile: string
  /** Extra options of the product's own processes, for profiling. */
  nodeOptions: string[]
}

const usage = `npm run bench -- inbound [options]   throughput, latency, draining, memory
npm run bench -- outbound [options]  calls and latency of edits
npm run bench -- limiter [options]   the windows of both profiles, hammered by 4 workers, and in a simulation
npm run bench -- fairness [options]  99 tenants with one change beside one with 10,000
npm run bench -- import [options]    a history of 100,000 reservations, with webhooks about them meanwhile
npm run bench -- growth [options]    latencies with 20,000 to 2 million stored webhooks
npm run bench -- defence [options]   what others notice of floods and of bodies that are wrong

  --quick              one short round of everything, for a look
  --only <part,…>      ${inboundParts.join(', ')}
  --backend <name,…>   redis, postgres
  --body <kB,…>        ${bodyKinds.map(({ name }) => name.slice(0, 1)).join(', ')}
  --rounds <n> --seconds <n> --connections <n>
                       seconds: 10, for the limiter 60
  --drained <n>        webhooks stored before a worker starts (20000)
  --backlog <n>        jobs waiting when memory is measured (100000)
  --reservations <n>   in the history that is imported (100000)
  --rows <n,…>         sizes of webhook_logs for growth (20000,200000,2000000)
  --server <url>       a PostgreSQL server to measure on, in databases of its own; by default the built-in one
  --json <file>        where the figures go (bench-results.json)
  --node <option>      passed to the API and worker processes, e.g. --node=--cpu-prof; may be repeated`

/** Reads the command line; prints how it is used, and ends, where that is asked or it is wrong. */
export function readOptions(given: string[]): BenchOptions {
  if (given.includes('--help')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parse(given)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`)
    process.exit(1)
  }
}

function parse(given: string[]): BenchOptions {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args: given,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { ...text, default: inboundParts.join() },
      backend: { ...text, default: 'redis,postgres' },
      body: { ...text, default: '2,6' },
      rounds: text,
      seconds: text,
      connections: { ...text, default: '64' },
      drained: text,
      backlog: text,
      reservations: text,
      rows: { ...text, default: '20000,200000,2000000' },
      server: text,
      json: { ...text, default: 'bench-results.json' },
      node: { ...text, multiple: true, default: [] },
    },
  })
  const [subject] = positionals
  if (!isSubject(subject)) throw new Error('Say what to measure.')
  const number = (name: string, value: string) => {
    if (!/^[1-9]\d*$/.test(value)) throw new Error(`--${name} must be a number`)
    return Number(value)
  }
  const either = (
    name: 'rounds' | 'seconds' | 'drained' | 'backlog' | 'reservations',
    full: number,
    quick: number,
  ) => {
    const value = values[name]
    return value === undefined ? (values.quick ? quick : full) : number(name, value)
  }
  return {
    subject,
    parts: chosen('only', values.only, inboundParts),
    backends: chosen('backend', values.backend, ['redis', 'postgres']),
    bodies: chosen(
      'body',
      values.body,
      bodyKinds.map(({ name }) => name.slice(0, 1)),
    ).flatMap((size) => bodyKinds.filter(({ name }) => name.startsWith(size))),
    rounds: either('rounds', 3, 1),
    seconds: either('seconds', subject === 'limiter' ? 60 : 10, subject === 'limiter' ? 25 : 4),
    warmUpSeconds: values.quick ? 1 : 3,
    connections: number('connections', values.connections),
    drained: either('drained', 20_000, 4_000),
    backlog: either('backlog', 100_000, 10_000),
    reservations: either('reservations', 100_000, 10_000),
    quick: values.quick,
    rows: values.rows.split(',').map((value) => number('rows', value)),
    server: values.server,
    jsonFile: values.json,
    nodeOptions: values.node,
  }
}

function isSubject(name: string | undefined): name is Subject {
  return subjects.some((subject) => subject === name)
}

function chosen<Name extends string>(option: string, value: string, known: readonly Name[]): Name[] {
  const names = value.split(',')
  const unknown = names.find((name) => !known.some((one) => one === name))
  if (unknown !== undefined) throw new Error(`--${option} does not know ${unknown}`)
  return known.filter((name) => names.includes(name))
}
