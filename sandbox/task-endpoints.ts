import type { FastifyInstance } from 'fastify'
import { accountOf } from './api-pipeline.ts'
import { succeed, succeedWithList } from './hostaway-answers.ts'
import { changeTask, createTask, taskOf } from './housekeeping-tasks.ts'
import { pageByOffset } from './list-paging.ts'
import { bodyObject, idFromPath, queryTexts } from './request-reading.ts'
import type { World } from './world.ts'

/** `/tasks` of the API. */
export function addTaskEndpoints(app: FastifyInstance, world: World): void {
  app.get('/tasks', async (request, reply) => {
    const query = queryTexts(request)
    const found = [...accountOf(request).tasks.values()].filter((task) =>
      ['status', 'reservationId', 'channelId'].every(
        (key) => query[key] === undefined || String(task[key]) === query[key],
      ),
    )
    return succeedWithList(
      world,
      reply,
      pageByOffset(found, query, (task) => task),
    )
  })

  app.get('/tasks/:id', async (request, reply) =>
    succeed(reply, taskOf(accountOf(request), idFromPath(request, 'id'))),
  )

  app.post('/tasks', async (request, reply) =>
    succeed(reply, createTask(world, accountOf(request), bodyObject(request))),
  )

  app.put('/tasks/:id', async (request, reply) =>
    succeed(reply, changeTask(world, accountOf(request), idFromPath(request, 'id'), bodyObject(request))),
  )

  app.delete('/tasks/:id', async (request, reply) => {
    const account = accountOf(request)
    account.tasks.delete(taskOf(account, idFromPath(request, 'id')).id)
    return succeed(reply, [])
  })
}
