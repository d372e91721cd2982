import { connect } from 'node:net'
import type { FuzzTarget } from './fuzz-requests.ts'
import { webhookIdIn } from './fuzz-sender.ts'
import type { Draw } from './seeded-draw.ts'

export type RawAnswer = { statuses: number[]; webhookIds: string[] }

const patienceMs = 400
/** By which the rows of raw requests are known. */
export const rawEvent = 'raw.sent'

/** Bytes that no HTTP client would send: broken lines, two lengths, wrong pieces, half requests. */
export function rawRequest(draw: Draw, target: FuzzTarget): Buffer {
  const { authorization, connectionId, accountId } = target
  const path = `/webhooks/hostaway/${connectionId}`
  const body = JSON.stringify({ event: rawEvent, accountId, data: { id: draw.whole(1, 99) } })
  const first = `POST ${path} HTTP/1.1\r\n`
  const common = `host: raw\r\ncontent-type: application/json\r\nauthorization: ${authorization}\r\n`
  const length = `content-length: ${body.length}\r\n`
  const text = draw.pick([
    `${first}${common}${length}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    `${first}${common}${length}${length}\r\n${body}`,
    `${first}${common}content-length: 5\r\ncontent-length: 6\r\n\r\n${body}`,
    `${first}${common}content-length: -1\r\n\r\n${body}`,
    `${first}${common}content-length: 99999999999999999999\r\n\r\n${body}`,
    `${first}${common}content-length: ${body.length + 10}\r\n\r\n${body}`,
    `${first}${common}content-length: ${body.length - 10}\r\n\r\n${body}`,
    `${first}${common}transfer-encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`,
    `${first}${common}transfer-encoding: chunked\r\n\r\n${body.length.toString(16)};x="${'y'.repeat(3_000)}"\r\n${body}\r\n0\r\n\r\n`,
    `${first}${common}transfer-encoding: chunked, identity\r\n\r\n${body}`,
    `${first}${common}transfer-encoding: gzip\r\n\r\n${body}`,
    `${first}${common}expect: 100-continue\r\n${length}\r\n${body}`,
    `${first}${common}expect: the-unexpected\r\n${length}\r\n${body}`,
    `${first}${common}x-long: ${'z'.repeat(70_000)}\r\n${length}\r\n${body}`,
    `${first}${common}no colon here\r\n${length}\r\n${body}`,
    `${first}${common}x-nul: a\u0000b\r\n${length}\r\n${body}`,
    `${first}${common} folded: line\r\n${length}\r\n${body}`,
    `${first.replace('1.1', '9.9')}${common}${length}\r\n${body}`,
    `${first.replace('1.1', '1.0')}${common}${length}\r\n${body}`,
    `${first.replace('POST', 'PO ST')}${common}${length}\r\n${body}`,
    `${first.replace('POST', 'CONNECT')}${common}${length}\r\n${body}`,
    `${first}${common}upgrade: websocket\r\nconnection: upgrade\r\n${length}\r\n${body}`,
    `${first.replaceAll('\r\n', '\n')}${common.replaceAll('\r\n', '\n')}\n${body}`,
    `POST http://elsewhere.example${path} HTTP/1.1\r\n${common}${length}\r\n${body}`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    first,
    '\r\n\r\n\r\n',
  ])
  return draw.chance(0.9) ? Buffer.from(text, 'latin1') : draw.bytes(draw.whole(1, 200))
}

/** Sends bytes on a connection of their own and gives what was answered before patience or connection ended. */
export function sendRaw(port: number, bytes: Buffer): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    const finish = () => {
      clearTimeout(timer)
      socket.destroy()
      const text = Buffer.concat(pieces).toString('latin1')
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]))
      const webhookIds = text.split('HTTP/1.1 ').flatMap((answer) => webhookIdIn(answer) ?? [])
      resolve({ statuses, webhookIds })
    }
    const timer = setTimeout(finish, patienceMs)
    socket.on('data', (piece) => pieces.push(piece))
    socket.on('error', () => {})
    socket.on('close', finish)
    socket.write(bytes)
  })
}
