import type { Account } from './accounts.ts'
import { announceTask } from './announcements.ts'
import type { JsonObject } from './json-text.ts'
import { InvalidInput, NotFound } from './refusals.ts'
import type { World } from './world.ts'

type Task = JsonObject & { id: number }

const taskStatuses = ['pending', 'confirmed', 'inProgress', 'completed', 'cancelled']

/** Creates a task and announces it. */
export function createTask(world: World, account: Account, sent: JsonObject): Task {
  const { title, reservationId } = sent
  if (typeof title !== 'string' || title === '') throw new InvalidInput('title must be a text')
  checkStatus(sent)
  const reservation = typeof reservationId === 'number' ? account.reservations.get(reservationId)?.body : null
  const task: Task = {
    listingMapId: reservation?.listingMapId ?? null,
    channelId: reservation?.channelId ?? null,
    reservationId: null,
    autoTaskId: null,
    assigneeUserId: null,
    canBePickedByGroupId: null,
    supervisorUserId: null,
    createdByUserId: null,
    isUpdatedManually: 0,
    checklistTemplateId: null,
    reservationUnitId: 0,
    title,
    description: null,
    canStartFrom: reservation ? `${reservation.departureDate} 11:00:00` : null,
    canStartFromListingTime: reservation ? `${reservation.departureDate} 11:00:00` : null,
    canStartFromEvent: 'departure',
    canStartFromEventDelta: 0,
    shouldEndBy: reservation ? `${reservation.departureDate} 15:00:00` : null,
    shouldEndByListingTime: reservation ? `${reservation.departureDate} 15:00:00` : null,
    shouldEndByEvent: 'departure',
    shouldEndByEventDelta: 0,
    status: 'pending',
    resolutionNote: null,
    feedbackScore: null,
    feedbackNote: null,
    startedAt: null,
    confirmedAt: null,
    completedAt: null,
    priority: null,
    cost: null,
    costCurrency: null,
    costDescription: null,
    color: null,
    expense: null,
    rank: 0,
    checklistItems: [],
    customFieldValue: [],
    categoriesMap: [1],
    ...sent,
    id: world.identifiers.next('task'),
  }
  account.tasks.set(task.id, task)
  announceTask(world, account, 'task.created', task)
  return task
}

/** Changes a task and announces it. */
export function changeTask(world: World, account: Account, id: number, sent: JsonObject): Task {
  checkStatus(sent)
  const task: Task = { ...taskOf(account, id), ...sent, id, isUpdatedManually: 1 }
  account.tasks.set(id, task)
  announceTask(world, account, 'task.updated', task)
  return task
}

export function taskOf(account: Account, id: number): Task {
  const task = account.tasks.get(id)
  if (!task) throw new NotFound()
  return task
}

function checkStatus({ status }: JsonObject): void {
  if (status !== undefined && !taskStatuses.includes(String(status))) {
    throw new InvalidInput(`status must be one of ${taskStatuses.join(', ')}`)
  }
}
