import { airbnbChannel } from './booking-channels.ts'
import type { Identifiers } from './identifiers.ts'
import type { JsonObject } from './json-text.ts'
import { isJsonObject } from './json-text.ts'
import { roundAmount } from './money-amounts.ts'
import { InvalidInput } from './refusals.ts'

type RowOwner = {
  accountId: number
  listingMapId: number
  reservationId: number
  channelId: number
  currency: string
  now: string
}

type RowContent = {
  type: string
  name: string
  title: string
  value: number
  isIncludedInTotalPrice: number
  isMandatory: number
}

function createRow(identifiers: Identifiers, owner: RowOwner, content: RowContent): JsonObject {
  const value = roundAmount(content.value, owner.currency)
  return {
    id: identifiers.next('financeField'),
    accountId: owner.accountId,
    listingMapId: owner.listingMapId,
    reservationId: owner.reservationId,
    channelId: owner.channelId,
    units: 1,
    isAddedByUser: 0,
    guestInvoiceChargeId: null,
    listingFeeSettingId: null,
    type: content.type,
    name: content.name,
    title: content.title,
    alias: null,
    appliedPer: 'reservation',
    applyTo: 'null',
    amount: value,
    amountType: 'flat',
    quantity: null,
    value,
    previousValue: null,
    jsonValue: value,
    isIncludedInTotalPrice: content.isIncludedInTotalPrice,
    isOverriddenByUser: 0,
    isMandatory: content.isMandatory,
    isQuantitySelectable: 0,
    appearsIn: [],
    displayInRent: 0,
    lengthOfStayNights: null,
    lengthOfStayAmount: null,
    isUnique: 1,
    isDeleted: 0,
    insertedOn: owner.now,
    updatedOn: owner.now,
    previousListingFeeSettingId: null,
    ageCondition: null,
    total: value,
  }
}

/** The three rows a made-up reservation has: accommodation, cleaning fee, and what the channel says in total. */
export function createFinanceRows(
  identifiers: Identifiers,
  owner: RowOwner,
  amounts: { totalPrice: number; cleaningFee: number },
): JsonObject[] {
  const fromChannel =
    owner.channelId === airbnbChannel
      ? { name: 'airbnbPayoutSum', title: 'Airbnb payout sum', value: amounts.totalPrice * 0.97 }
      : { name: 'totalPriceFromChannel', title: 'Total price from channel', value: amounts.totalPrice }
  return [
    createRow(identifiers, owner, {
      type: 'accommodation',
      name: 'baseRate',
      title: 'Base rate',
      value: amounts.totalPrice - amounts.cleaningFee,
      isIncludedInTotalPrice: 1,
      isMandatory: 1,
    }),
    createRow(identifiers, owner, {
      type: 'fee',
      name: 'cleaningFee',
      title: 'Cleaning fee',
      value: amounts.cleaningFee,
      isIncludedInTotalPrice: 1,
      isMandatory: 1,
    }),
    createRow(identifiers, owner, {
      type: 'totals',
      ...fromChannel,
      isIncludedInTotalPrice: 0,
      isMandatory: 0,
    }),
  ]
}

/** Replaces all rows by those sent: a row that is not among them is gone, one known by id or name keeps its other keys. */
export function replaceFinanceRows(
  identifiers: Identifiers,
  owner: RowOwner,
  existing: JsonObject[],
  sent: unknown,
): JsonObject[] {
  if (!Array.isArray(sent)) throw new InvalidInput('financeField must be an array')
  return sent.map((row: unknown) => {
    if (!isJsonObject(row) || typeof row.name !== 'string') {
      throw new InvalidInput('Every financeField needs a name')
    }
    const { name } = row
    const known = existing.find((candidate) =>
      row.id === undefined || row.id === null ? candidate.name === name : candidate.id === row.id,
    )
    const value = Number(row.total ?? row.value ?? known?.total ?? 0)
    const base =
      known ??
      createRow(identifiers, owner, {
        type: typeof row.type === 'string' ? row.type : 'other',
        name,
        title: typeof row.title === 'string' ? row.title : name,
        value,
        isIncludedInTotalPrice: 1,
        isMandatory: 0,
      })
    return { ...base, ...row, id: base.id ?? null, total: value, updatedOn: owner.now }
  })
}
