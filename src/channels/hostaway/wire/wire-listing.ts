import { createFieldReader, type FieldProblem, isRecord, type Read } from '../../contract/field-reader.ts'
import type { Listing, ListingUnit } from '../../contract/listing.ts'
import { storableSource } from '../../contract/storable-source.ts'

/** Reads a listing; null only when it has no usable id. Never throws. */
export function parseListing(data: unknown): { listing: Listing | null; problems: FieldProblem[] } {
  const problems: FieldProblem[] = []
  if (!isRecord(data)) {
    return { listing: null, problems: [{ field: 'data', code: 'wrong_type', message: 'is not an object' }] }
  }
  const { source } = storableSource(data)
  const reader = createFieldReader(source, problems)
  const id = reader.id('id')
  if (typeof id !== 'string') {
    if (id === null || problems.length === 0) reader.report('id', 'missing', 'is missing')
    return { listing: null, problems }
  }
  const units = reader.rows('listingUnits')
  const listing: Listing = {
    id,
    name: reader.text('name') ?? reader.text('internalListingName', 'externalListingName') ?? id,
    currency: reader.currency('currencyCode'),
    timeZone: timeZoneOf(reader.text('timeZoneName'), reader.report),
    archived: reader.text('specialStatus') === 'archived',
    basePrice: reader.amount('price'),
    personCapacity: reader.count('personCapacity'),
    minimumNights: reader.count('minNights'),
    maximumNights: reader.count('maxNights'),
    unitCount: Array.isArray(units) && units.length > 0 ? units.length : undefined,
    problems,
    source,
  }
  return { listing, problems }
}

/** Reads the units of a listing; an ordinary listing has none. Rows without a usable id are left out. */
export function parseListingUnits(result: unknown): ListingUnit[] {
  if (!Array.isArray(result)) return []
  return result.filter(isRecord).flatMap((row) => {
    const reader = createFieldReader(row, [])
    const id = reader.id('id')
    return typeof id === 'string'
      ? [{ id, name: reader.text('name'), unitNumber: reader.text('unitNumber') }]
      : []
  })
}

function timeZoneOf(
  name: Read<string>,
  report: (field: string, code: 'not_a_time_zone', message: string) => undefined,
): Read<string> {
  if (name === null || name === undefined) return name
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return name
  } catch {
    return report('timeZoneName', 'not_a_time_zone', 'is not the name of a time zone')
  }
}
