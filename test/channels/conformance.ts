import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import {
  type CallContext,
  type Channel,
  capabilityOf,
  type RequestHeaders,
  type ReservationCapability,
  type WebhookSecrets,
} from '../../src/channels/contract/channel.ts'
import type { Reservation } from '../../src/channels/contract/reservation.ts'
import { sameReservation } from '../../src/channels/contract/reservation-comparison.ts'
import { compareFields, mergeReservation } from '../../src/channels/contract/reservation-merge.ts'
import { AppError, factsOf } from '../../src/platform/errors.ts'
import { afterAll, type EndsLater } from '../support/after-all.ts'

/** A channel with a far end that the test controls. */
export type ChannelUnderTest = {
  channel: Channel
  account: { accountId: string; apiKey: string }
  listingId: string
  /** Days far enough ahead that nothing is booked on them, as `YYYY-MM-DD`. */
  day(offset: number): string
  /** Makes a reservation as a guest would. Returns its id. */
  book(): Promise<string>
  /** Changes the guest's name at the far end, which makes a newer version. */
  rename(id: string, name: string): Promise<void>
  /** The body of a webhook about a reservation, as the channel would send it. */
  webhookOf(reservation: Reservation): Record<string, unknown>
  /** The headers that the channel would send along. */
  headersOf(secrets: WebhookSecrets): RequestHeaders
  /** Lets the far end fail, or work again. */
  setDown(isDown: boolean): Promise<void>
}

const secrets: WebhookSecrets = {
  webhookAuth: 'basic',
  login: 'a-login',
  password: 'a-password',
  hmacSecret: null,
  nextCredentials: undefined,
  formerSecrets: [],
}

/** What every channel must keep to; a capability that the channel does not have is not tested. */
export function conformsToContract(
  name: string,
  open: (context: EndsLater) => Promise<ChannelUnderTest>,
): void {
  describe(`${name} conforms to the contract of channels`, () => {
    const context = afterAll()
    let under: ChannelUnderTest
    let channel: Channel
    let listingId: string
    let call: CallContext
    let reservations: ReservationCapability

    before(async () => {
      under = await open(context)
      ;({ channel, listingId } = under)
      const { accountId } = under.account
      const { token, usableAt } = await channel.access.issue(under.account, 10_000)
      await pause(Math.max(0, usableAt.getTime() - Date.now()))
      call = { accountId, token, urgency: 'urgent', maxWaitMs: 10_000 }
      reservations = capabilityOf(channel, 'reservations')
    })
    const day = (offset: number) => under.day(offset)

    it('takes a webhook with the right secrets and no other', () => {
      const webhooks = capabilityOf(channel, 'webhooks')
      const rawBody = Buffer.from('{"any": "body"}')
      const headers = under.headersOf(secrets)
      assert.ok(webhooks.isAuthentic(secrets, headers, rawBody))
      assert.ok(!webhooks.isAuthentic(secrets, {}, rawBody))
      assert.ok(!webhooks.isAuthentic({ ...secrets, password: 'another' }, headers, rawBody))
      assert.ok(!webhooks.isAuthentic({ ...secrets, login: null, password: null }, headers, rawBody))
    })

    it('reads any value without throwing', async () => {
      const webhooks = capabilityOf(channel, 'webhooks')
      const { source } = await reservations.read(call, await under.book())
      const broken = fc
        .tuple(fc.constantFrom(...Object.keys(source)), fc.anything())
        .map(([key, value]) => ({ ...source, [key]: value }))
      fc.assert(
        fc.property(fc.oneof(fc.anything(), fc.jsonValue(), broken), (value) => {
          webhooks.parse(value)
          const { reservation, problems } = channel.format.parse(value)
          assert.ok(reservation !== null || problems.length > 0, 'what is not read has a reason')
          if (reservation !== null) mergeReservation(undefined, { reservation, version: 's1' })
        }),
        { numRuns: 300 },
      )
    })

    it('reads the same source the same way, also after it was stored', async () => {
      const { source } = await reservations.read(call, await under.book())
      const first = channel.format.parse(source)
      const again = channel.format.parse(JSON.parse(JSON.stringify(first.reservation?.source)))
      assert.deepEqual(again, first)
    })

    it('delivers a webhook that names the reservation it carries', async () => {
      const webhooks = capabilityOf(channel, 'webhooks')
      const reservation = await reservations.read(call, await under.book())
      const parsed = webhooks.parse(under.webhookOf(reservation))
      assert.ok(parsed.ok && parsed.event.data !== null)
      assert.equal(parsed.event.objectId, reservation.id)
      assert.equal(channel.format.parse(parsed.event.data).reservation?.id, reservation.id)
    })

    it('orders versions: the newer one wins whatever comes first', async () => {
      const id = await under.book()
      const older = await reservations.read(call, id)
      // Versions may count whole seconds.
      await pause(1_100)
      await under.rename(id, 'Grace Example')
      const newer = await reservations.read(call, id)
      assert.ok(
        older.updatedOn !== undefined && newer.updatedOn !== undefined && older.updatedOn < newer.updatedOn,
      )
      const bodies = [older, newer].map((reservation) => ({
        reservation,
        version: `s${reservation.updatedOn?.toISOString()}`,
      }))
      for (const [first, second] of [bodies, bodies.toReversed()]) {
        assert.ok(first !== undefined && second !== undefined)
        const merged = mergeReservation(mergeReservation(undefined, first), second)
        assert.equal(merged.reservation.guestName, 'Grace Example')
        assert.equal(compareFields(merged, first).contradicts, false)
      }
    })

    it('shows the same reservation in a page and by its id', async () => {
      const id = await under.book()
      const single = await reservations.read(call, id)
      const found: Reservation[] = []
      let afterId: string | undefined
      for (let last = false; !last; ) {
        const page = await reservations.page(call, {
          limit: 2,
          ...(afterId === undefined ? {} : { afterId }),
        })
        found.push(...page.reservations)
        afterId = page.reservations.at(-1)?.id
        last = page.last || afterId === undefined
      }
      const [listed, ...others] = found.filter((one) => one.id === id)
      assert.ok(listed !== undefined && others.length === 0)
      assert.ok(sameReservation(listed, single))
      assert.deepEqual(listed.updatedOn, single.updatedOn)
      const order = found.map(({ updatedOn }) => updatedOn?.getTime() ?? 0)
      assert.deepEqual(
        order,
        order.toSorted((a, b) => b - a),
        'newest change first',
      )
    })

    it('holds the nights that were pushed', async () => {
      const calendar = capabilityOf(channel, 'calendar')
      const interval = { startDate: day(0), endDate: day(1) }
      const values = { price: '150', minimumStay: 2, note: 'a note' }
      await calendar.push(call, listingId, [{ ...interval, isAvailable: false, ...values }])
      const held = await calendar.read(call, listingId, day(0), day(2))
      assert.deepEqual(
        held.map(({ date, status }) => [date, status]),
        [
          [day(0), 'blocked'],
          [day(1), 'blocked'],
          [day(2), 'available'],
        ],
      )
      assert.deepEqual(
        held.slice(0, 2).map(({ price, minimumStay, note }) => ({ price, minimumStay, note })),
        [values, values],
      )
      await calendar.push(call, listingId, [
        { ...interval, isAvailable: true },
        { startDate: day(4), endDate: day(4), isAvailable: false },
      ])
      const opened = await calendar.read(call, listingId, day(0), day(4))
      assert.deepEqual(
        opened.map(({ status }) => status),
        ['available', 'available', 'available', 'available', 'blocked'],
      )
      assert.equal(opened[0]?.price, '150', 'what is left out stays')
      const many = Array.from({ length: calendar.maxIntervals + 1 }, () => interval)
      await assert.rejects(calendar.push(call, listingId, many), { kind: 'invalid_payload' })
    })

    it('makes a reservation of a draft, which is found by its marker', async () => {
      const writes = capabilityOf(channel, 'bookingWrites')
      const marker = `tvl-${crypto.randomUUID()}`
      const fields = {
        arrivalDate: day(20),
        departureDate: day(23),
        guestName: 'Ada Example',
        numberOfGuests: 2,
        totalPrice: '412.5',
      }
      const draft = { listingId, marker, currency: 'EUR', isCancelled: false, fields }
      const made = await writes.create(call, draft)
      assert.deepEqual(
        (await writes.findByMarker(call, { listingId, marker })).map(({ id }) => id),
        [made.id],
      )
      assert.ok(
        (await writes.findByArrival(call, { listingId, arrivalDate: day(20) })).some(
          ({ id }) => id === made.id,
        ),
      )
      assert.deepEqual(await writes.findByMarker(call, { listingId, marker: 'tvl-none' }), [])
      const expected = channel.format.ofDraft(draft)
      assert.deepEqual([expected.id, expected.source, expected.bookingStatus], [marker, {}, 'confirmed'])
      for (const part of ['listingId', 'marker', 'bookingStatus', ...Object.keys(fields)] as Array<
        keyof Reservation
      >) {
        assert.deepEqual([part, expected[part]], [part, made[part]])
      }
      assert.ok(writes.mayChange(made))
      const changed = await writes.change(call, made.id, { guestName: 'Grace Example' })
      assert.deepEqual([changed.guestName, changed.departureDate], ['Grace Example', day(23)])
      assert.equal((await writes.cancel(call, made.id)).bookingStatus, 'cancelled')
      assert.equal((await writes.cancel(call, made.id)).bookingStatus, 'cancelled')
      assert.equal(channel.format.ofDraft({ ...draft, isCancelled: true }).bookingStatus, 'cancelled')
    })

    it('registers a webhook, shows it, changes it and removes it', async () => {
      const webhooks = capabilityOf(channel, 'webhooks')
      const target = {
        url: 'https://example.com/hook',
        login: 'l',
        password: 'p',
        alertingEmailAddress: null,
      }
      const { id } = await webhooks.create(call, target)
      const [shown] = (await webhooks.list(call)).filter((one) => one.id === id)
      assert.ok(shown)
      assert.deepEqual(webhooks.deviations(shown, target), [])
      assert.ok(!JSON.stringify(shown).includes('"p"'), 'a registration shows no credentials')
      const moved = { ...target, url: 'https://example.com/other' }
      assert.deepEqual(webhooks.deviations(shown, moved), ['address'])
      await webhooks.update(call, id, moved)
      await webhooks.remove(call, id)
      await assert.rejects(webhooks.remove(call, id), { kind: 'not_found' })
    })

    it('says what kind of failure it was, and no secret in it', async () => {
      const failures: AppError[] = []
      const failed = async (asking: Promise<unknown>) => {
        const error = await asking.then(
          () => assert.fail('it did not fail'),
          (caught: unknown) => caught,
        )
        assert.ok(error instanceof AppError)
        failures.push(error)
        return error.kind
      }
      assert.equal(await failed(reservations.read(call, '999999999')), 'not_found')
      assert.equal(await failed(capabilityOf(channel, 'listings').read(call, '999999999')), 'not_found')
      assert.equal(
        await failed(channel.access.issue({ ...under.account, apiKey: 'a-wrong-key' }, 10_000)),
        'credentials_rejected',
      )
      await under.setDown(true)
      assert.equal(factsOf({ kind: await failed(channel.access.check(call)) }).remote, 'down')
      await under.setDown(false)
      await channel.access.check(call)
      await channel.access.revoke(call, 10_000)
      assert.equal(await failed(channel.access.check(call)), 'forbidden')
      for (const { message, stack, cause } of failures) {
        const told = JSON.stringify({ message, stack, cause })
        for (const secret of [under.account.apiKey, 'a-wrong-key', call.token])
          assert.ok(!told.includes(secret), told)
      }
    })
  })
}
