import type { FastifyInstance } from 'fastify'
import type { Account } from './accounts.ts'
import { accountOf } from './api-pipeline.ts'
import { addMessage } from './guest-messages.ts'
import { succeed, succeedWithList } from './hostaway-answers.ts'
import type { JsonObject } from './json-text.ts'
import { pageByOffset } from './list-paging.ts'
import { InvalidInput, NotFound } from './refusals.ts'
import { bodyObject, idFromPath, isSet, queryTexts, wholeNumber } from './request-reading.ts'
import { viewReservation } from './reservation-view.ts'
import type { World } from './world.ts'

/** Conversations with guests and their messages. */
export function addConversationEndpoints(app: FastifyInstance, world: World): void {
  app.get('/conversations', async (request, reply) => {
    const account = accountOf(request)
    const query = queryTexts(request)
    const reservationId = wholeNumber(query, 'reservationId')
    const found = conversationsOf(account, reservationId)
    const withResources = isSet(query.includeResources)
    const page = pageByOffset(found, query, (conversation) => show(account, conversation, withResources))
    return succeedWithList(world, reply, page)
  })

  app.get('/reservations/:id/conversations', async (request, reply) => {
    const account = accountOf(request)
    const query = queryTexts(request)
    const found = conversationsOf(account, idFromPath(request, 'id'))
    const page = pageByOffset(found, query, (conversation) => show(account, conversation, true))
    return succeedWithList(world, reply, page)
  })

  app.get('/conversations/:id', async (request, reply) => {
    const account = accountOf(request)
    const conversation = conversationOf(account, idFromPath(request, 'id'))
    return succeed(reply, show(account, conversation, isSet(queryTexts(request).includeResources)))
  })

  app.get('/conversations/:id/messages', async (request, reply) => {
    const account = accountOf(request)
    const messages = messagesOf(account, conversationOf(account, idFromPath(request, 'id')).id)
    return succeedWithList(
      world,
      reply,
      pageByOffset(messages, queryTexts(request), (message) => message),
    )
  })

  app.get('/conversations/:id/messages/:messageId', async (request, reply) => {
    const account = accountOf(request)
    const messages = messagesOf(account, conversationOf(account, idFromPath(request, 'id')).id)
    const messageId = idFromPath(request, 'messageId')
    const message = messages.find(({ id }) => id === messageId)
    if (!message) throw new NotFound()
    return succeed(reply, message)
  })

  app.post('/conversations/:id/messages', async (request, reply) => {
    const account = accountOf(request)
    const conversation = conversationOf(account, idFromPath(request, 'id'))
    const { body, communicationType = 'email' } = bodyObject(request)
    if (typeof body !== 'string' || body === '') throw new InvalidInput('body must be a text')
    if (!['email', 'channel', 'sms', 'whatsapp'].includes(String(communicationType))) {
      throw new InvalidInput('communicationType must be email, channel, sms or whatsapp')
    }
    const { reservationId } = conversation
    const message = addMessage(world, account, {
      reservationId,
      body,
      isIncoming: false,
      communicationType: String(communicationType),
    })
    return succeed(reply, message)
  })
}

function conversationsOf(account: Account, reservationId: number | undefined) {
  return [...account.conversations.values()]
    .filter((conversation) => reservationId === undefined || conversation.reservationId === reservationId)
    .sort((left, right) => right.id - left.id)
}

function conversationOf(account: Account, id: number) {
  const conversation = account.conversations.get(id)
  if (!conversation) throw new NotFound()
  return conversation
}

function messagesOf(account: Account, conversationId: number) {
  return account.messages.filter((message) => message.conversationId === conversationId)
}

function show(
  account: Account,
  conversation: JsonObject & { id: number; reservationId: number },
  withResources: boolean,
): JsonObject {
  if (!withResources) return { ...conversation, conversationMessages: [], Reservation: null }
  const reservation = account.reservations.get(conversation.reservationId)
  return {
    ...conversation,
    conversationMessages: messagesOf(account, conversation.id),
    Reservation: reservation ? viewReservation(reservation.body) : null,
  }
}
