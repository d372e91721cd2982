import { AsyncLocalStorage } from 'node:async_hooks'

/** The id of the request that is being served where this is asked, so that every line logged meanwhile can name it. */
export const requestScope = new AsyncLocalStorage<string>()
