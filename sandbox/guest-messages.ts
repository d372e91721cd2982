import type { Account } from './accounts.ts'
import { reservationOf } from './accounts.ts'
import { announceMessage } from './announcements.ts'
import type { JsonObject } from './json-text.ts'
import { datetimeText } from './plain-days.ts'
import type { World } from './world.ts'

export type MessageRequest = {
  reservationId: number
  body: string
  isIncoming: boolean
  communicationType?: string | undefined
}

type Conversation = JsonObject & { id: number; reservationId: number }

/** Adds a message to the reservation's conversation, which begins with its first one. Only incoming ones are announced. */
export function addMessage(world: World, account: Account, request: MessageRequest) {
  const { body: reservation } = reservationOf(account, request.reservationId)
  const now = datetimeText(Date.now())
  const conversation = conversationAbout(world, account, request.reservationId, {
    name: reservation.guestName ?? null,
    email: reservation.guestEmail ?? null,
  })
  const message: JsonObject & { id: number; conversationId: number } = {
    id: world.identifiers.next('message'),
    accountId: account.accountId,
    listingMapId: reservation.listingMapId,
    reservationId: reservation.id,
    conversationId: conversation.id,
    channelId: reservation.channelId,
    communicationId: null,
    body: request.body,
    communicationType: request.communicationType ?? 'channel',
    status: 'sent',
    isIncoming: request.isIncoming ? 1 : 0,
    isSeen: 0,
    sentUsingHostaway: request.isIncoming ? 0 : 1,
    listingTimeZoneName: account.listings.get(reservation.listingMapId)?.body.timeZoneName ?? null,
    date: now,
    attachments: [],
    insertedOn: now,
    updatedOn: now,
  }
  account.messages.push(message)
  conversation.hasUnreadMessages = request.isIncoming ? 1 : 0
  conversation[request.isIncoming ? 'messageReceivedOn' : 'messageSentOn'] = now
  reservation.latestActivityOn = now
  if (request.isIncoming) announceMessage(world, account, message)
  return message
}

function conversationAbout(
  world: World,
  account: Account,
  reservationId: number,
  recipient: { name: JsonObject[string]; email: JsonObject[string] },
): Conversation {
  for (const known of account.conversations.values()) {
    if (known.reservationId === reservationId) return known
  }
  const conversation: Conversation = {
    id: world.identifiers.next('conversation'),
    accountId: account.accountId,
    // Real conversations carry the account's id here; the listing is the reservation's.
    listingMapId: account.accountId,
    reservationId,
    type: 'host-guest-email',
    recipientEmail: recipient.email,
    recipientName: recipient.name,
    recipientPicture: null,
    hasUnreadMessages: 0,
    messageSentOn: null,
    messageReceivedOn: null,
  }
  account.conversations.set(conversation.id, conversation)
  return conversation
}
