import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { EndsLater } from './after-all.ts'

/** Where the calls of an account come to a halt: at the n-th, before Hostaway has seen it or after it has answered. */
export type Halt = { call: number; when: 'before' | 'after' }

/** A way to the sandbox on which the calls of single accounts come to a halt and are never answered. */
export async function openHaltingProxy(context: EndsLater, apiUrl: string) {
  const target = new URL(apiUrl)
  const halts = new Map<number, Halt>()
  const made = new Map<number, number>()
  const halted = new Set<number>()

  const server = createServer(async (incoming, response) => {
    const body = await buffer(incoming)
    const accountId = accountOf(incoming, body)
    const call = (made.get(accountId) ?? 0) + 1
    made.set(accountId, call)
    const halt = halts.get(accountId)
    const isHere = halt?.call === call
    if (isHere && halt.when === 'before') halted.add(accountId)
    else pass(incoming, body, response, isHere ? () => halted.add(accountId) : undefined)
  })

  function pass(
    incoming: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    insteadOfAnswering: (() => void) | undefined,
  ): void {
    const { method, headers, url = '/' } = incoming
    const onward = forward(
      { host: target.hostname, port: target.port, path: url, method, headers },
      (answer) => {
        if (insteadOfAnswering !== undefined) {
          answer.resume().on('end', insteadOfAnswering)
          return
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    onward.on('error', () => response.destroy())
    onward.end(body)
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = new URL(apiUrl)
  url.port = String((server.address() as AddressInfo).port)
  return {
    apiUrl: url.href,
    haltAt: (accountId: number, halt: Halt) => halts.set(accountId, halt),
    /** Whether the calls of the account have come to their halt. */
    isHalted: (accountId: number) => halted.has(accountId),
    callsOf: (accountId: number) => made.get(accountId) ?? 0,
  }
}

// The form of the token endpoint names the account, a token its audience.
function accountOf({ headers }: IncomingMessage, body: Buffer): number {
  const [, claims] = (headers.authorization ?? '').split('.')
  if (claims === undefined) return Number(new URLSearchParams(body.toString()).get('client_id'))
  const { aud } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { aud: string }
  return Number(aud)
}
