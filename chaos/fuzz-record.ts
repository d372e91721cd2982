/** What was noted while sending. */
export type FuzzRecord = {
  sent: number
  brokenOff: number
  raw: number
  answers: Map<string, number>
  /** By id of the row: the digest of what was sent, or nothing where it may not be stored as sent. */
  stored: Map<string, string | undefined>
  complaints: string[]
}
