import { isDay, todayInUtc } from './plain-days.ts'
import { parseRateLimitProfile } from './rate-limits.ts'

export type SandboxSettings = {
  port: number
  host: string
  /** Decides ids, names, dates and amounts. */
  seed: string
  /** Multiplies every delay that is long at Hostaway: retries, the failing window, the delay of `reserved`. */
  timeScale: number
  /** `2025`, `2026-08`, `off` or `N/Ss,N/Ss` (per address, per account). */
  rateLimitProfile: string
  tokenDelayMs: number
  tokenLifetimeSeconds: number
  /** Before scaling. */
  reservedDelayMs: number
  /** Not scaled. */
  deliveryTimeoutMs: number
  /** Before scaling. */
  disableAfterMs: number
  /** Made-up stays lie after this day. */
  startDay: string
  defaultAccount: boolean
  /** The HTTP status of an answer to invalid input: 200 (with `status:"fail"`), 400 or 422. */
  validationStatus: number
  /** Which key of a failed answer to invalid input carries the text. */
  failureText: 'result' | 'message'
  /** Whether lists carry `page` and `totalPages`. */
  pageInfo: boolean
}

export function defaultSettings(): SandboxSettings {
  return {
    port: 4010,
    host: '127.0.0.1',
    seed: 'sandbox',
    timeScale: 1,
    rateLimitProfile: '2025',
    tokenDelayMs: 1_000,
    tokenLifetimeSeconds: 63_072_000,
    reservedDelayMs: 30_000,
    deliveryTimeoutMs: 20_000,
    disableAfterMs: 5 * 86_400_000,
    startDay: todayInUtc(),
    defaultAccount: true,
    validationStatus: 422,
    failureText: 'result',
    pageInfo: false,
  }
}

/** Reads the environment. All problems are reported at once; with any of them the settings must not be used. */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): {
  settings: SandboxSettings
  problems: string[]
} {
  const settings = defaultSettings()
  const problems: string[] = []

  const text = (name: string, apply: (value: string) => boolean, expectation: string) => {
    const value = environment[name]
    if (value !== undefined && value !== '' && !apply(value)) problems.push(`${name} must be ${expectation}`)
  }
  const number = (name: string, least: number, apply: (value: number) => void) => {
    text(
      name,
      (value) => {
        const parsed = Number(value)
        if (!Number.isFinite(parsed) || parsed < least) return false
        apply(parsed)
        return true
      },
      `a number not below ${least}`,
    )
  }
  const whole = (name: string, least: number, most: number, apply: (value: number) => void) => {
    text(
      name,
      (value) => {
        const parsed = Number(value)
        if (!Number.isInteger(parsed) || parsed < least || parsed > most) return false
        apply(parsed)
        return true
      },
      `a whole number from ${least} to ${most}`,
    )
  }
  const choice = <Value extends string>(
    name: string,
    values: readonly Value[],
    apply: (value: Value) => void,
  ) => {
    text(
      name,
      (given) => {
        const found = values.find((value) => value === given)
        if (found === undefined) return false
        apply(found)
        return true
      },
      `one of ${values.join(', ')}`,
    )
  }

  whole('SANDBOX_PORT', 0, 65_535, (value) => {
    settings.port = value
  })
  text(
    'SANDBOX_HOST',
    (value) => {
      settings.host = value
      return true
    },
    'a host',
  )
  text(
    'SANDBOX_SEED',
    (value) => {
      settings.seed = value
      return true
    },
    'a text',
  )
  number('SANDBOX_TIME_SCALE', 0, (value) => {
    settings.timeScale = value
  })
  text(
    'SANDBOX_RATE_LIMIT_PROFILE',
    (value) => {
      settings.rateLimitProfile = value
      return parseRateLimitProfile(value) !== undefined
    },
    '2025, 2026-08, off or N/Ss,N/Ss (per address, per account)',
  )
  whole('SANDBOX_TOKEN_DELAY_MS', 0, 3_600_000, (value) => {
    settings.tokenDelayMs = value
  })
  whole('SANDBOX_TOKEN_LIFETIME_SECONDS', 1, 1_000_000_000, (value) => {
    settings.tokenLifetimeSeconds = value
  })
  number('SANDBOX_RESERVED_DELAY_MS', 0, (value) => {
    settings.reservedDelayMs = value
  })
  number('SANDBOX_DELIVERY_TIMEOUT_MS', 1, (value) => {
    settings.deliveryTimeoutMs = value
  })
  number('SANDBOX_DISABLE_AFTER_MS', 0, (value) => {
    settings.disableAfterMs = value
  })
  text(
    'SANDBOX_START_DAY',
    (value) => {
      settings.startDay = value
      return isDay(value)
    },
    'a day as YYYY-MM-DD',
  )
  choice('SANDBOX_DEFAULT_ACCOUNT', ['true', 'false'], (value) => {
    settings.defaultAccount = value === 'true'
  })
  choice('SANDBOX_VALIDATION_STATUS', ['200', '400', '422'], (value) => {
    settings.validationStatus = Number(value)
  })
  choice('SANDBOX_FAILURE_TEXT', ['result', 'message'], (value) => {
    settings.failureText = value
  })
  choice('SANDBOX_PAGE_INFO', ['true', 'false'], (value) => {
    settings.pageInfo = value === 'true'
  })
  return { settings, problems }
}
