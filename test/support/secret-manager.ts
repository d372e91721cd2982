import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EndsLater } from './after-all.ts'

/** Stands in for the API of Google Secret Manager, with its own service account. */
export async function startSecretManager(context: EndsLater) {
  /** What `projects/test/secrets/<name>` holds; a number is the status with which it is refused. */
  const secrets = new Map<string, string | number>()
  const requests: Array<{ path: string; hasToken: boolean }> = []
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0] ?? ''
    requests.push({ path, hasToken: /^Bearer ey/.test(request.headers.authorization ?? '') })
    const [, name = '', version = ''] =
      /^\/v1\/projects\/test\/secrets\/([^/]+)\/versions\/([^/]+):access$/.exec(path) ?? []
    const held = secrets.get(version === 'latest' ? name : `${name}/${version}`) ?? 404
    if (typeof held === 'number') return refuse(response, held)
    answer(response, 200, {
      name: `projects/1/secrets/${name}/versions/1`,
      payload: { data: Buffer.from(held).toString('base64') },
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-google-'))
  const credentials = join(folder, 'service-account.json')
  await writeFile(credentials, JSON.stringify(madeUpAccount(endpoint)))
  context.after(async () => {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  return {
    secrets,
    requests,
    /** What a process needs to find this one instead of Google, and nothing else of Google's. */
    environment: {
      SECRET_MANAGER_ENDPOINT: endpoint,
      GOOGLE_APPLICATION_CREDENTIALS: credentials,
      METADATA_SERVER_DETECTION: 'none',
    },
  }
}

function madeUpAccount(endpoint: string) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    type: 'service_account',
    project_id: 'test',
    private_key_id: 'made-up',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: 'connector@test.iam.gserviceaccount.com',
    client_id: '1',
    token_uri: `${endpoint}/token`,
  }
}

function refuse(response: ServerResponse, status: number): void {
  const statuses: Record<number, string> = {
    400: 'FAILED_PRECONDITION',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
  }
  answer(response, status, { error: { code: status, message: 'refused', status: statuses[status] } })
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
