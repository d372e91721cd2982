import { AccessTokens } from './access-tokens.ts'
import { Accounts } from './accounts.ts'
import { CallJournal } from './call-journal.ts'
import { defaultListings } from './default-listings.ts'
import type { EventLog } from './event-log.ts'
import { FaultRules } from './fault-injection.ts'
import { Identifiers } from './identifiers.ts'
import { parseRateLimitProfile, RateLimits } from './rate-limits.ts'
import { InvalidInput } from './refusals.ts'
import { SeededRandom } from './seeded-random.ts'
import type { SandboxSettings } from './settings.ts'
import { WebhookCourier } from './webhook-delivery.ts'

/** What can be changed while the sandbox runs. */
export type Switches = {
  rateLimitProfile: string
  validationStatus: number
  failureText: 'result' | 'message'
  pageInfo: boolean
  /** Whether made-up reservations carry test card data. */
  withCards: boolean
  /** How many more times every event is delivered. */
  extraDeliveries: number
  /** Whether a new webhook is probed with a GET beside the ping. */
  probeWithGet: boolean
  /** Whether a sent `customerUserId` is taken without being kept. */
  dropsCustomerUserId: boolean
}

/** Everything one sandbox knows. A reset replaces the parts, so keep the world, never a part of it. */
export type World = {
  readonly settings: SandboxSettings
  readonly log: EventLog
  switches: Switches
  identifiers: Identifiers
  random: SeededRandom
  accounts: Accounts
  tokens: AccessTokens
  journal: CallJournal
  faults: FaultRules
  limits: RateLimits
  courier: WebhookCourier
}

export function createWorld(settings: SandboxSettings, log: EventLog): World {
  return { settings, log, ...freshParts(settings, log) }
}

/** Puts everything back to how it was at the start; what was under way is dropped. */
export function resetWorld(world: World): void {
  world.courier.stop()
  Object.assign(world, freshParts(world.settings, world.log))
}

/** Starts new windows under the given profile. */
export function useRateLimitProfile(world: World, profile: string): void {
  world.limits = rateLimitsOf(profile)
  world.switches.rateLimitProfile = profile
}

function rateLimitsOf(text: string): RateLimits {
  const profile = parseRateLimitProfile(text)
  if (!profile) throw new InvalidInput(`"${text}" is no rate limit profile`)
  return new RateLimits(profile)
}

function freshParts(settings: SandboxSettings, log: EventLog): Omit<World, 'settings' | 'log'> {
  const identifiers = new Identifiers()
  const accounts = new Accounts(identifiers)
  if (settings.defaultAccount) {
    accounts.add({ accountId: 10_001, apiKey: 'sandbox-key-10001', listings: defaultListings })
  }
  const random = new SeededRandom(settings.seed)
  return {
    switches: {
      rateLimitProfile: settings.rateLimitProfile,
      validationStatus: settings.validationStatus,
      failureText: settings.failureText,
      pageInfo: settings.pageInfo,
      withCards: false,
      extraDeliveries: 0,
      probeWithGet: false,
      dropsCustomerUserId: false,
    },
    identifiers,
    random,
    accounts,
    tokens: new AccessTokens(settings.tokenDelayMs, settings.tokenLifetimeSeconds),
    journal: new CallJournal(),
    faults: new FaultRules(),
    limits: rateLimitsOf(settings.rateLimitProfile),
    courier: new WebhookCourier({
      identifiers,
      random: new SeededRandom(`${settings.seed}/deliveries`),
      timeScale: settings.timeScale,
      timeoutMs: settings.deliveryTimeoutMs,
      disableAfterMs: settings.disableAfterMs,
      log,
    }),
  }
}
