import { writeFile } from 'node:fs/promises'
import { cpus, loadavg, totalmem } from 'node:os'
import { acquire } from '../src/platform/process/acquire.ts'
import { measurePaced, measureThroughput, summarise } from './answer-benchmark.ts'
import { type BenchOptions, readOptions } from './bench-options.ts'
import { measureDefence } from './defence-benchmark.ts'
import { measureFairness } from './fairness-benchmark.ts'
import { measureGrowth } from './growth-benchmark.ts'
import { measureImport } from './import-benchmark.ts'
import { measureLimiter } from './limiter-benchmark.ts'
import { measureOutbound } from './outbound-benchmark.ts'
import { measureBookingLatency, measureDrain, measureMemory } from './processing-benchmark.ts'
import { printSections, type Section } from './result-table.ts'
import { type Services, startServices } from './services.ts'

const options = readOptions(process.argv.slice(2))
await acquire(async (releases) => {
  const services = await startServices(options.server)
  releases.defer(() => services.stop())
  if (services.redis === undefined) {
    console.error('There is no redis-server on PATH: only the PostgreSQL backend is measured.')
    options.backends = options.backends.filter((backend) => backend !== 'redis')
  }
  const machine = {
    at: new Date().toISOString(),
    processors: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadBefore: loadavg().map((load) => Number(load.toFixed(2))),
    node: process.version,
  }
  console.log(machine)
  const measure = {
    inbound: measureInbound,
    outbound: measureEdits,
    limiter: measureWindows,
    fairness: measureTurns,
    import: measureHistory,
    growth: measureGrowth,
    defence: measureDefence,
  }
  const sections = await measure[options.subject](services, options)
  printSections(sections)
  await writeFile(options.jsonFile, `${JSON.stringify({ machine, sections }, null, 2)}\n`)
  console.log(`Figures written to ${options.jsonFile}.`)
  await releases.disposeAsync()
})

async function measureInbound(services: Services, options: BenchOptions): Promise<Section[]> {
  const sections: Section[] = []
  for (const part of options.parts) {
    console.error(part)
    if (part === 'throughput') {
      const rounds = await measureThroughput(services, options)
      sections.push({
        title: `Answers per second, ${options.connections} connections, median of ${options.rounds} rounds`,
        rows: summarise(rounds, options),
        raw: rounds,
      })
    }
    if (part === 'paced') {
      sections.push({ title: 'Answer at 500 webhooks/s', rows: await measurePaced(services, options) })
    }
    if (part === 'booking') {
      sections.push({
        title: 'Webhook to committed booking at 100 webhooks/s',
        rows: await measureBookingLatency(services, options),
      })
    }
    if (part === 'drain') {
      sections.push({
        title: `One worker process draining ${options.drained} webhooks`,
        rows: await measureDrain(services, options),
      })
    }
    if (part === 'memory') {
      sections.push({
        title: `Memory with ${options.backlog} jobs waiting and 100 webhooks/s arriving`,
        rows: await measureMemory(services, options),
      })
    }
  }
  return sections
}

async function measureEdits(services: Services, options: BenchOptions): Promise<Section[]> {
  const rows = []
  for (const backend of options.backends) rows.push(...(await measureOutbound(services, backend)))
  return [{ title: 'What edits cost', rows }]
}

async function measureWindows(services: Services, options: BenchOptions): Promise<Section[]> {
  const { seconds, quick } = options
  const sections: Section[] = []
  for (const backend of options.backends) {
    const acquisitions = quick ? 50_000 : 1_000_000
    sections.push(...(await measureLimiter(services, { backend, seconds, workers: 4, acquisitions })))
  }
  return sections
}

async function measureTurns(services: Services, options: BenchOptions): Promise<Section[]> {
  const size = options.quick ? { listings: 300, tenants: 30 } : { listings: 10_000, tenants: 99 }
  const sections: Section[] = []
  for (const backend of options.backends) {
    sections.push(...(await measureFairness(services, { backend, ...size })))
  }
  return sections
}

async function measureHistory(
  services: Services,
  { backends, reservations }: BenchOptions,
): Promise<Section[]> {
  // The queue carries only the webhooks, so one backend is enough.
  const backend = backends[0] ?? 'postgres'
  return measureImport(services, { backend, reservations, changesPerSecond: 10 })
}
