import { lineLog } from './event-log.ts'
import { readSettings } from './settings.ts'
import { startSandbox } from './start-sandbox.ts'

const { settings, problems } = readSettings()
if (problems.length > 0) {
  lineLog('settings are wrong', { problems })
  process.exit(1)
}

const starting = startSandbox(settings, lineLog)
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void starting.then((sandbox) => sandbox.close()).then(() => process.exit(0))
  })
}

try {
  await starting
} catch (error) {
  const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
  const problem = isTaken
    ? `Port ${settings.port} (SANDBOX_PORT) is taken`
    : error instanceof Error
      ? error.message
      : String(error)
  lineLog('sandbox did not start', { problem })
  process.exit(1)
}
