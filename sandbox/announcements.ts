import type { Account } from './accounts.ts'
import type { JsonObject } from './json-text.ts'
import { phpJson } from './json-text.ts'
import type { StoredReservation } from './reservation-factory.ts'
import { viewReservation } from './reservation-view.ts'
import type { World } from './world.ts'

type Subject = { object: string; objectId: number; listingMapId: number | null; data: JsonObject }

function announce(world: World, account: Account, event: string, subject: Subject): void {
  const { object, objectId, listingMapId, data } = subject
  const body = phpJson({ object, event, accountId: account.accountId, data })
  world.courier.announce(
    account,
    { event, object, objectId, listingMapId, body },
    1 + world.switches.extraDeliveries,
  )
}

/** Tells the account's endpoints of a reservation as it is now; later changes do not alter what is sent. */
export function announceReservation(
  world: World,
  account: Account,
  event: 'reservation.created' | 'reservation.updated',
  { body }: StoredReservation,
): void {
  announce(world, account, event, {
    object: 'reservation',
    objectId: body.id,
    listingMapId: body.listingMapId,
    data: viewReservation(body),
  })
}

export function announceMessage(world: World, account: Account, message: JsonObject & { id: number }): void {
  announce(world, account, 'message.received', {
    object: 'conversationMessage',
    objectId: message.id,
    listingMapId: typeof message.listingMapId === 'number' ? message.listingMapId : null,
    data: message,
  })
}

export function announceTask(
  world: World,
  account: Account,
  event: 'task.created' | 'task.updated',
  task: JsonObject & { id: number },
): void {
  announce(world, account, event, {
    object: 'task',
    objectId: task.id,
    listingMapId: typeof task.listingMapId === 'number' ? task.listingMapId : null,
    data: task,
  })
}
