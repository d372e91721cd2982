import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { parseReservation } from '../../../src/channels/hostaway/wire/wire-reservation.ts'
import { compileMapping, type MappedReservation, mapReservation } from '../../../src/mapping/apply-mapping.ts'
import { calculationFunctions } from '../../../src/mapping/calculation/calculation-rules.ts'
import {
  bookingTargetNames,
  mappingLimits,
  sourceKinds,
  targetTypes,
} from '../../../src/mapping/mapping-spec.ts'
import { accepted, boathouse } from '../../mapping/mapped-reservations.ts'
import { afterAll } from '../../support/after-all.ts'
import { startTestSystem } from '../../support/test-system.ts'

const document = readFileSync(new URL('../../../docs/mapping.md', import.meta.url), 'utf8')
const blocks = [...document.matchAll(/^```(sh|json \w+)\n(.*?)^```$/gms)].map(([, kind = '', text = '']) => ({
  kind,
  text,
}))
const commands = blocks.filter(({ kind }) => kind === 'sh')

it('every example of the document gives what the document says', async () => {
  let spec: unknown
  let reservation: unknown
  let property = boathouse
  let result: MappedReservation | undefined
  const checked: string[] = []
  for (const { kind, text } of blocks.filter((block) => block.kind !== 'sh')) {
    const value: unknown = JSON.parse(text)
    if (kind === 'json spec') [spec, property] = [value, boathouse]
    else if (kind === 'json reservation') reservation = value
    else if (kind === 'json property') property = { ...boathouse, ...(value as object) }
    if (!['json result', 'json booking', 'json problems'].includes(kind)) {
      result = undefined
      continue
    }
    const parsed = parseReservation(reservation).reservation
    assert.ok(parsed)
    result ??= await mapReservation(compileMapping(accepted(spec), 1), parsed, property)
    if (kind === 'json result') assert.deepEqual(result.draft.fields, value)
    if (kind === 'json booking') assert.partialDeepStrictEqual(result.draft, value as object)
    if (kind === 'json problems') assert.deepEqual(result.problems, value)
    checked.push(kind)
  }
  assert.deepEqual(checked.length, 6)
})

it('the document names every source, type, column and function, and the limits', () => {
  const named = (name: string) => new RegExp(`[\`"$ ]${name}[\`"( ]`).test(document)
  const all = [...sourceKinds, ...targetTypes, ...bookingTargetNames, ...calculationFunctions]
  assert.deepEqual(
    all.filter((name) => !named(name)),
    [],
  )
  const { fields, calculations, expressionLength } = mappingLimits
  for (const limit of [fields, calculations, expressionLength]) {
    assert.match(document, new RegExp(`\\b${limit.toLocaleString('en')}\\b`))
  }
})

it('every command of the document works', {
  skip: spawnSync('curl', ['--version']).status !== 0,
}, async () => {
  const context = afterAll()
  const system = await startTestSystem(context, { workers: false })
  const connection = await system.connect()
  const { body } = await system.api<{ token: string }>('POST', '/v1/tokens', {
    tenant: 'demo',
    role: 'manager',
    name: 'of the document',
  })
  const env = { ...process.env, HOST: system.url, TOKEN: body.token, CONNECTION: connection.id }
  for (const { text } of commands) {
    const { stdout } = await promisify(execFile)('bash', ['-euc', text], { env })
    assert.equal(typeof JSON.parse(stdout), 'object')
  }
  assert.equal(commands.length, 4)
})
