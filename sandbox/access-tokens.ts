import { createHmac, randomBytes } from 'node:crypto'

export type IssuedToken = { accountId: number; usableFromMs: number; expiresAtMs: number }

/** The access tokens that were given out and not revoked. Issuing a new one leaves the older ones valid. */
export class AccessTokens {
  private readonly tokens = new Map<string, IssuedToken>()
  private readonly secret = randomBytes(32)
  private readonly delayMs: number
  private readonly lifetimeSeconds: number

  constructor(delayMs: number, lifetimeSeconds: number) {
    this.delayMs = delayMs
    this.lifetimeSeconds = lifetimeSeconds
  }

  issue(accountId: number, now: number): { accessToken: string; expiresInSeconds: number } {
    const seconds = Math.floor(now / 1_000)
    const header = { typ: 'JWT', alg: 'HS256' }
    const claims = {
      aud: String(accountId),
      jti: randomBytes(16).toString('hex'),
      iat: seconds,
      nbf: seconds,
      exp: seconds + this.lifetimeSeconds,
      sub: '',
      scopes: ['general'],
      secretId: 1,
    }
    const unsigned = [header, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const accessToken = `${unsigned}.${createHmac('sha256', this.secret).update(unsigned).digest('base64url')}`
    this.tokens.set(accessToken, {
      accountId,
      usableFromMs: now + this.delayMs,
      expiresAtMs: now + this.lifetimeSeconds * 1_000,
    })
    return { accessToken, expiresInSeconds: this.lifetimeSeconds }
  }

  /** Whose token it is, even if it may not be used yet or any more. */
  find(accessToken: string): IssuedToken | undefined {
    return this.tokens.get(accessToken)
  }

  revoke(accessToken: string): boolean {
    return this.tokens.delete(accessToken)
  }

  revokeAll(accountId: number): number {
    const owned = [...this.tokens].filter(([, token]) => token.accountId === accountId)
    for (const [accessToken] of owned) this.tokens.delete(accessToken)
    return owned.length
  }

  /** Lets every token of the account run out now, as if its lifetime were over. */
  expireAll(accountId: number, now: number): number {
    const owned = [...this.tokens.values()].filter((token) => token.accountId === accountId)
    for (const token of owned) token.expiresAtMs = now
    return owned.length
  }
}
