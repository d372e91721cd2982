import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse } from 'yaml'

type Rule = {
  alert: string
  expr: string
  labels?: { severity?: string }
  annotations?: { summary?: string; description?: string; runbook_url?: string }
}
type RuleFile = { groups: { name: string; rules: Rule[] }[] }
type CaseFile = { tests: { alert_rule_test?: { alertname: string; exp_alerts?: unknown[] }[] }[] }

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFile(new URL(path, root), 'utf8')
const run = promisify(execFile)

const ruleFile: RuleFile = parse(await read('ops/alerts.yml'))
const rules = ruleFile.groups.flatMap((group) => group.rules)

const promisedAlerts = [
  'HostawayWebhookFailureRate',
  'HostawayCircuitBreakerOpen',
  'HostawaySyncJobBacklog',
  'HostawayAPIErrorRate',
  'HostawayWebhookProcessingSlow',
  'HostawayDeadLetters',
  'HostawayConnectionNeedsReauth',
  'HostawayWorkerStalled',
  'HostawayWebhookSilent',
]

describe('the alert rules', () => {
  it('contain every promised alert, each name once', () => {
    const names = rules.map((rule) => rule.alert)
    assert.deepEqual(
      promisedAlerts.filter((name) => !names.includes(name)),
      [],
    )
    assert.equal(new Set(names).size, names.length)
  })

  it('each alert tells how bad it is, what it means and which page of the runbook to open', async () => {
    const anchors = headingAnchors(await read('docs/runbook.md'))
    for (const { alert, labels, annotations } of rules) {
      assert.match(labels?.severity ?? '', /^(critical|warning)$/, `${alert}: severity`)
      assert.ok(annotations?.summary, `${alert}: summary`)
      assert.ok(annotations?.description, `${alert}: description`)
      const [page, anchor] = (annotations?.runbook_url ?? '').split('#')
      assert.equal(page, 'docs/runbook.md', `${alert}: runbook_url`)
      assert.ok(anchors.has(anchor ?? ''), `${alert}: docs/runbook.md has no heading for #${anchor}`)
    }
  })

  it('name only metrics that the product declares', async () => {
    const declared = declaredSeries(await read('src/platform/telemetry/metrics.ts'))
    for (const rule of rules) {
      const unknown = metricNames(rule.expr).filter((name) => !declared.has(name))
      assert.deepEqual(unknown, [], rule.alert)
    }
  })

  it('each alert has a case in which it fires and one in which it does not', async () => {
    const caseFile: CaseFile = parse(await read('ops/alerts.test.yml'))
    const checks = caseFile.tests.flatMap((test) => test.alert_rule_test ?? [])
    for (const { alert } of rules) {
      const expected = checks
        .filter((check) => check.alertname === alert)
        .map((check) => check.exp_alerts ?? [])
      assert.ok(
        expected.some((alerts) => alerts.length > 0),
        `${alert} never fires in ops/alerts.test.yml`,
      )
      assert.ok(
        expected.some((alerts) => alerts.length === 0),
        `${alert} always fires in ops/alerts.test.yml`,
      )
    }
  })

  it('pass promtool, rules and cases', async (context) => {
    if (!(await promtoolIsThere())) {
      const warning =
        'promtool is not on PATH: ops/alerts.yml was NOT checked by Prometheus (package "prometheus")'
      console.error(warning)
      context.skip(warning)
      return
    }
    await promtool('check', 'rules', 'ops/alerts.yml')
    await promtool('test', 'rules', 'ops/alerts.test.yml')
  })
})

async function promtoolIsThere(): Promise<boolean> {
  try {
    await run('promtool', ['--version'])
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

async function promtool(...args: string[]): Promise<void> {
  try {
    await run('promtool', args, { cwd: fileURLToPath(root) })
  } catch (error) {
    // promtool test writes what differs to stdout.
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    assert.fail(`promtool ${args.join(' ')}: ${error instanceof Error ? error.message : error}\n${output}`)
  }
}

function headingAnchors(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#+ +(.+)$/gm)].map((match) => match[1] ?? '')
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  )
}

/** The series Prometheus sees: the declared names, a histogram's three series, and its own `up`. */
function declaredSeries(source: string): Set<string> {
  const series = new Set(['up'])
  for (const [, type, name] of source.matchAll(/new (\w+)\(\{\s*name: '(hostaway_\w+)'/g)) {
    if (type === 'Histogram') for (const suffix of ['_bucket', '_sum', '_count']) series.add(name + suffix)
    else series.add(name ?? '')
  }
  return series
}

const operators = new Set(['and', 'or', 'unless', 'bool'])

function metricNames(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"|'[^']*'/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
  return [...bare.matchAll(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g)]
    .map((match) => match[0])
    .filter((word) => !operators.has(word))
}
