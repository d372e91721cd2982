/** Receives what is worth a line: an event name and a few facts, never a secret. */
export type EventLog = (event: string, facts?: Record<string, unknown>) => void

export const silentLog: EventLog = () => {}

export const lineLog: EventLog = (event, facts = {}) => {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...facts })}\n`)
}
