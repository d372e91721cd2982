const firstIds = {
  listing: 400_001,
  listingUnit: 81_001,
  reservation: 50_000_001,
  reservationUnit: 910_001,
  financeField: 700_000_001,
  webhook: 30_001,
  webhookLog: 9_000_001,
  conversation: 35_000_001,
  message: 340_000_001,
  task: 610_001,
  delivery: 1,
} as const

export type IdentifierKind = keyof typeof firstIds

/** Hands out ids in rising order, each kind in a range of its own, so that mixed-up ids are noticed. */
export class Identifiers {
  private readonly used = new Map<IdentifierKind, number>()

  next(kind: IdentifierKind): number {
    const id = (this.used.get(kind) ?? firstIds[kind] - 1) + 1
    this.used.set(kind, id)
    return id
  }
}
