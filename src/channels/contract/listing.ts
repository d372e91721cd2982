import type { FieldProblem, Read } from './field-reader.ts'

/** A listing as its channel holds it; amounts are decimal text in `currency`. */
export type Listing = {
  id: string
  name: string
  currency: Read<string>
  timeZone: Read<string>
  archived: boolean
  basePrice: Read<string>
  personCapacity: Read<number>
  minimumNights: Read<number>
  maximumNights: Read<number>
  /** How many units it has, where the answer says so. */
  unitCount: number | undefined
  problems: FieldProblem[]
  source: Record<string, unknown>
}

/** One physical unit of a listing that stands for several. */
export type ListingUnit = { id: string; name: Read<string>; unitNumber: Read<string> }
