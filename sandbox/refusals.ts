/** The caller named something that does not exist. */
export class NotFound extends Error {
  constructor(message = 'Resource not found') {
    super(message)
    this.name = 'NotFound'
  }
}

/** The caller sent something that cannot be accepted. `status` fixes the HTTP status where the real one is known. */
export class InvalidInput extends Error {
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.name = 'InvalidInput'
    this.status = status
  }
}

/** The request contradicts the present state, such as a stay on nights that are taken. */
export class Contradiction extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Contradiction'
  }
}
