import { createPostgresBackend, Queue, withBackend } from 'bullmq'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import pg from 'pg'
import { Type } from 'typebox'
import { v7 as uuid } from 'uuid'
import { listeningOptions } from '../src/app.ts'
import { isAuthentic } from '../src/channels/hostaway/webhook-auth.ts'
import { createLogger } from '../src/platform/telemetry/logger.ts'
import type { Contender } from './contenders.ts'
import type { StoredAccount } from './stored-account.ts'

type Options = Contender & { port: number; account: StoredAccount; redisUrl: string | undefined }

// The baselines of the ingress: the same listening options, logger, authentication and answer, with either nothing else
// or the usual storage: one INSERT and one job per request.
const options = JSON.parse(process.env.BENCH_OPTIONS ?? '{}') as Options
const { account } = options
const receiver = {
  id: account.connectionId,
  tenantId: account.tenantId,
  accountId: '20001',
  webhookAuth: 'basic' as const,
  login: account.login,
  password: account.password,
  hmacSecret: null,
  nextCredentials: undefined,
  formerSecrets: [],
}

const app = fastify({ ...listeningOptions(), loggerInstance: createLogger({ level: 'info', role: 'bench' }) })
app.setChildLoggerFactory((logger) => logger)
app.removeAllContentTypeParsers()
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
  done(null, body),
)
app.get('/healthz', () => ({ status: 'ok' }))
const keep = options.kind === 'row' ? rowPerRequest() : async () => undefined

app.post(
  '/webhooks/hostaway/:connectionId',
  {
    bodyLimit: 1_048_576,
    schema: {
      params: Type.Object({ connectionId: Type.String() }),
      response: { 200: Type.Object({ received: Type.Literal(true), webhookId: Type.String() }) },
    },
  },
  async (request, reply) => {
    const rawBody = request.body as Buffer
    const { authorization } = request.headers
    const credentials = { authorization, signature: undefined, timestamp: undefined }
    if (!isAuthentic(receiver, credentials, rawBody)) throw new Error('not authenticated')
    const text = rawBody.toString('utf8')
    const body = JSON.parse(text) as { event: string; data: { id: number } }
    const id = uuid()
    await keep(id, body, text)
    return reply.send({ received: true, webhookId: id })
  },
)

function rowPerRequest() {
  const pool = new pg.Pool({ connectionString: account.databaseUrl, max: 10 })
  const queue = openQueue()
  return async (id: string, body: { event: string; data: { id: number } }, text: string) => {
    await pool.query(
      `insert into webhook_logs (id, tenant_id, connection_id, event_type, source_event, external_id, body)
       values ($1, $2, $3, $4, $4, $5, $6)`,
      [id, account.tenantId, account.connectionId, body.event, String(body.data.id), text],
    )
    await queue.add(
      'process-webhook',
      { webhookId: id },
      { jobId: `webhook-${id}`, attempts: 5, removeOnComplete: true, removeOnFail: true },
    )
  }
}

function openQueue(): Pick<Queue, 'add'> {
  if (options.backend === 'redis') {
    return new Queue('bench', {
      connection: new Redis(options.redisUrl ?? '', { maxRetriesPerRequest: null }),
    })
  }
  const { Queue: PostgresQueue } = withBackend(createPostgresBackend)
  const connection = { connectionString: account.databaseUrl, schema: 'bench_queue', migrate: true, max: 10 }
  return new PostgresQueue('bench', { connection }) as unknown as Pick<Queue, 'add'>
}

await app.listen({ host: '127.0.0.1', port: options.port })
process.once('SIGTERM', () => process.exit(0))
