import { type KeyRing, parseKeyRing } from '../vault/vault.ts'
import { readable } from './setting-checks.ts'

const scheme = 'gcp-sm://'
const secretPattern = /^projects\/[\w.:-]+\/secrets\/[\w-]{1,255}(\/versions\/[\w-]+)?$/
const maxFetchMs = 10_000
const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/

/** What a secret manager gave for ENCRYPTION_KEYS: the text of the key ring, or a sentence that says why there is none. */
export type FetchedKeys = { text: string } | { problem: string }

/**
 * Fetches the key ring where ENCRYPTION_KEYS names a secret of Google Secret Manager (`gcp-sm://projects/…`); undefined
 * where it holds the keys itself. Never throws, and no sentence of it holds a key.
 */
export async function fetchKeys(
  value: string | undefined,
  endpoint: string | undefined,
): Promise<FetchedKeys | undefined> {
  if (value === undefined || !value.startsWith(scheme)) return undefined
  const secret = value.slice(scheme.length)
  if (!secretPattern.test(secret)) {
    return { problem: 'must look like gcp-sm://projects/<project>/secrets/<secret>[/versions/<version>]' }
  }
  if (endpoint !== undefined && !isSafeEndpoint(endpoint)) {
    return { problem: 'is not fetched, because SECRET_MANAGER_ENDPOINT is not https' }
  }
  try {
    const text = await readSecret(
      secret.includes('/versions/') ? secret : `${secret}/versions/latest`,
      endpoint,
    )
    return text === '' ? { problem: `secret ${secret} holds nothing` } : { text }
  } catch (error) {
    return { problem: explain(secret, error) }
  }
}

/** The key ring that ENCRYPTION_KEYS holds or, if it names one, that was fetched; what is wrong with it joins the problems. */
export function readKeyRing(
  value: string | undefined,
  fetched: FetchedKeys | undefined,
  problems: string[],
): KeyRing {
  if (value === undefined) {
    problems.push(
      'ENCRYPTION_KEYS is required with DATABASE_URL: `id:` and 32 random bytes in base64 (openssl rand -base64 32)',
    )
    return []
  }
  if (fetched !== undefined && 'problem' in fetched) {
    problems.push(`ENCRYPTION_KEYS: ${fetched.problem}`)
    return []
  }
  const name = fetched === undefined ? 'ENCRYPTION_KEYS' : `ENCRYPTION_KEYS: in ${value}`
  return readable(name, () => parseKeyRing(fetched?.text ?? value), problems) ?? []
}

/** Whether a secret and the credentials that open it may travel there. */
export function isSafeEndpoint(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) return false
  const { protocol, hostname } = new URL(endpoint)
  return protocol === 'https:' || (protocol === 'http:' && loopback.test(hostname))
}

// Loaded here and nowhere else: it takes longer to load than everything else a process needs to know its settings.
async function readSecret(name: string, endpoint: string | undefined): Promise<string> {
  const { SecretManagerServiceClient } = await import('@google-cloud/secret-manager')
  const client = new SecretManagerServiceClient({ fallback: 'rest', ...placeOf(endpoint) })
  const [version] = await client.accessSecretVersion({ name }, { timeout: maxFetchMs })
  // Not after a failure: closing a client that found no credentials rejects outside of any catch.
  await client.close()
  return Buffer.from(version.payload?.data ?? '')
    .toString('utf8')
    .trim()
}

function placeOf(endpoint: string | undefined) {
  if (endpoint === undefined) return {}
  const { protocol, hostname, port } = new URL(endpoint)
  return {
    apiEndpoint: hostname,
    protocol: protocol.slice(0, -1),
    ...(port === '' ? {} : { port: Number(port) }),
  }
}

// By the codes of gRPC, which the client translates HTTP into.
const reasons: Record<number, string> = {
  4: 'Secret Manager does not answer',
  5: 'there is no such secret or version',
  7: 'this process may not read it; its account needs the role roles/secretmanager.secretAccessor on the secret',
  9: 'that version is disabled or destroyed',
  14: 'Secret Manager does not answer',
  16: 'Google does not accept the credentials of this process',
}

function explain(secret: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? Number(error.code) : Number.NaN
  const message = error instanceof Error ? error.message.split('\n', 1)[0] : String(error)
  return `secret ${secret} cannot be read: ${reasons[code] ?? message}`
}
