import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import pino from 'pino'
import { AppError, type FailureKind, failureKinds } from '../../src/platform/errors.ts'
import type { FailedJob, Job } from '../../src/platform/module.ts'
import type { RunningJob } from '../../src/platform/queue/queue-worker.ts'
import { createRunner } from '../../workers/run-job.ts'

type Payload = { webhookId: string }

const maxAttempts = 5

function runnerFor(overrides: Partial<Job<Payload>> = {}) {
  const deadLetters: FailedJob<Payload>[] = []
  const lines: Array<Record<string, unknown>> = []
  let progress = 0
  const log = pino(
    { level: 'debug', base: null },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  )
  const run = createRunner<Payload>(
    {
      queue: 'inbound',
      name: 'process-webhook',
      parse: (data) => data as Payload | undefined,
      run: async () => 'created',
      deadLetter: async (failure) => void deadLetters.push(failure),
      ...overrides,
    },
    { maxAttempts, retryDelayMs: 1_000, log, onProgress: () => (progress += 1) },
  )
  const jobAt = (attempt: number): RunningJob => ({
    id: 'job',
    name: 'process-webhook',
    data: { webhookId: 'w-1' },
    attempt,
  })
  return {
    run: (attempt = 1) => run(jobAt(attempt)),
    runJob: run,
    jobAt,
    deadLetters,
    lines,
    progress: () => progress,
  }
}

const failing = (kind: FailureKind, retryAt?: Date) => ({
  run: async () => {
    throw new AppError(kind, `failed as ${kind}`, retryAt === undefined ? {} : { retryAt })
  },
})

const kindsWith = (outcome: string) =>
  (Object.keys(failureKinds) as FailureKind[]).filter((kind) => failureKinds[kind].outcome === outcome)

describe('a job', () => {
  it('a job that did its work is done and logged with its outcome', async () => {
    const runner = runnerFor()
    assert.deepEqual(await runner.run(), { after: 'done' })
    assert.deepEqual(runner.deadLetters, [])
    assert.partialDeepStrictEqual(runner.lines, [
      { msg: 'job.done', outcome: 'created', webhookId: 'w-1', attempt: 1, maxAttempts },
    ])
    assert.equal(runner.progress(), 1)
  })

  for (const kind of kindsWith('defer')) {
    it(`a job that failed as ${kind} is deferred however often it ran, and uses up no attempt`, async () => {
      const retryAt = new Date(Date.now() + 30_000)
      for (const attempt of [1, maxAttempts, 1_000]) {
        const runner = runnerFor(failing(kind, retryAt))
        const verdict = await runner.run(attempt)
        assert.equal(verdict.after, 'later')
        assert.ok(verdict.after === 'later')
        const delay = verdict.at.getTime() - retryAt.getTime()
        assert.ok(delay >= 0 && delay <= 500, `${delay} ms after the given moment`)
        assert.deepEqual(runner.deadLetters, [])
      }
    })
  }

  it('deferred to no moment, or a past one, runs again within seconds', async () => {
    for (const retryAt of [undefined, new Date(0)]) {
      const verdict = await runnerFor(failing('rate_limited', retryAt)).run()
      assert.ok(verdict.after === 'later')
      const inMs = verdict.at.getTime() - Date.now()
      assert.ok(inMs >= -50 && inMs <= 5_500, `${inMs} ms`)
    }
  })

  for (const kind of kindsWith('retry')) {
    it(`a job that failed as ${kind} is tried ${maxAttempts} times and then becomes a dead letter`, async () => {
      for (let attempt = 1; attempt < maxAttempts; attempt += 1) {
        const runner = runnerFor(failing(kind))
        const verdict = await runner.run(attempt)
        assert.ok(verdict.after === 'retry')
        assert.ok(verdict.delayMs >= 0 && verdict.delayMs <= 1_000 * 2 ** (attempt - 1))
        assert.deepEqual(runner.deadLetters, [])
      }
      const runner = runnerFor(failing(kind))
      assert.deepEqual(await runner.run(maxAttempts), { after: 'done' })
      assert.deepEqual(
        runner.deadLetters.map(({ error, attempts, payload }) => [error.kind, attempts, payload.webhookId]),
        [[kind, maxAttempts, 'w-1']],
      )
    })
  }

  for (const kind of kindsWith('deadLetter')) {
    it(`a job that failed as ${kind} becomes a dead letter at once`, async () => {
      const runner = runnerFor(failing(kind))
      assert.deepEqual(await runner.run(1), { after: 'done' })
      assert.deepEqual(
        runner.deadLetters.map(({ error, attempts }) => [error.kind, attempts]),
        [[kind, 1]],
      )
      assert.partialDeepStrictEqual(runner.lines, [{ msg: 'job.dead_letter', kind }])
    })
  }

  it('whose dead letter cannot be stored stays in the queue', async () => {
    const runner = runnerFor({
      ...failing('not_found'),
      deadLetter: async () => {
        throw new Error('the database is away')
      },
    })
    assert.equal((await runner.run(1)).after, 'later')
    assert.ok(runner.lines.some(({ msg }) => msg === 'job.dead_letter_not_stored'))
  })

  it('a job that fails by a bug of ours is not tried again', async () => {
    const runner = runnerFor({
      run: async () => {
        throw new TypeError('a bug')
      },
    })
    assert.equal((await runner.run(1)).after, 'done')
    assert.equal(runner.deadLetters[0]?.error.kind, 'unexpected')
  })

  it('whose data is unreadable is dropped with a line in the log', async () => {
    const runner = runnerFor({ parse: () => undefined })
    assert.deepEqual(await runner.run(), { after: 'done' })
    assert.deepEqual(
      runner.lines.map(({ msg }) => msg),
      ['job.unreadable'],
    )
  })
})
