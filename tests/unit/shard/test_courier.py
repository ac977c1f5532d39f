"""Couriers at work on the reference ledger, in virtual time."""

import asyncio
from itertools import pairwise

import pytest
from msgspec.structs import replace
from sim.owing import ANSWER_SECONDS, Told, ToldCallbacks, world_owing
from sim.virtual import EPOCH, run
from sim.world import data_of

from relay.core.delivery import Attempt, DeliveryState, Schedule, Subscription
from relay.core.endpoint import PROBE_SECONDS_MAX
from relay.core.events import TERMINAL_TYPES
from relay.core.job import EventType
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkState
from relay.errors import LedgerError, Reason
from relay.shard.courier import LINGER_SECONDS, READY_MIN
from relay.shard.pages import BYTES_MAX, SIZE_MAX
from relay.shard.sweeping import SWEEP_SECONDS
from relay.simulator.plan import Fate

REFUSED = Attempt(reason=Reason.REFUSED, detail="400")
FAILED = Attempt(reason=Reason.SERVER_ERROR, detail="500")
GONE = Attempt(reason=Reason.GONE, detail="410")
URL, OTHER_URL = "https://hooks.example/a?token=x", "https://hooks.example/b"
ORIGIN = "callback:https://hooks.example:443"


async def rows(world, state=DeliveryState.PENDING):
    found = await world.ledger.deliveries(DeliveryFilter(state=state), None, 10_000)
    return [delivery for delivery, _ in found]


def test_no_more_attempts_at_once_than_the_endpoint_takes():
    async def main():
        sink = Told(seconds=10.0)
        world = await world_owing(20, orders=sink)
        async with world.relay():
            await asyncio.sleep(35.0)
        assert [round(at) for at in sink.times] == [0] * 8 + [10] * 8 + [20] * 4

    run(main())


def test_the_rate_is_kept_however_much_is_due():
    async def main():
        sink = Told()
        world = await world_owing(20, orders=sink)
        world.rates["orders"] = 2.0
        async with world.relay():
            await asyncio.sleep(15.0)
        assert len(sink.requests) == 20
        assert min(b - a for a, b in pairwise(sink.times)) >= 0.5 - 1e-6
        assert sink.times[-1] < 10.0

    run(main())


def test_only_a_window_of_what_is_due_is_in_memory():
    async def main():
        sink = Told(seconds=5.0)
        world = await world_owing(2_000, orders=sink)
        async with world.relay() as shard:
            for _ in range(20):
                await asyncio.sleep(1.0)
                in_hand = shard._writer._claims.count("orders")
                assert 8 <= in_hand <= READY_MIN + 2 * world.concurrency

    run(main())


class SlowlyRead:
    """Reading what is due of this ledger takes `seconds`. `asked`, `rows`: how many rows each time, and which."""

    def __init__(self, world, seconds):
        self.asked, self.rows = [], []
        read = world.ledger.due

        async def due(endpoint, now, limit, *, after=None):
            await asyncio.sleep(seconds)
            found = await read(endpoint, now, limit, after=after)
            self.asked.append(limit)
            self.rows += [row.key for row, _ in found]
            return found

        world.ledger.due = due


def test_an_endpoint_that_is_faster_than_the_ledger_is_read_for_in_larger_pages():
    async def main():
        sink = Told(seconds=0.002)
        world = await world_owing(12_000, orders=sink)
        reading = SlowlyRead(world, 0.05)
        async with world.relay():
            await asyncio.sleep(5.0)
        assert len(sink.requests) == 12_000
        assert reading.asked[0] == READY_MIN
        assert READY_MIN < max(reading.asked) <= SIZE_MAX
        # While all eight slots are busy it takes 3 s; waiting for a page of 32 each time would take 18.
        assert sink.times[-1] - sink.times[0] < 4.5

    run(main())


def test_an_endpoint_that_asks_for_time_now_and_then_is_read_for_in_small_pages():
    """All that it has not taken goes back each time, and is read once more."""

    async def main():
        limited = Attempt(reason=Reason.RATE_LIMITED, retry_after_seconds=0.2)
        sink = Told(lambda number: limited if number % 50 == 49 else Attempt(), seconds=0.002)
        world = await world_owing(3_000, orders=sink)
        reading = SlowlyRead(world, 0.05)
        async with world.relay():
            await asyncio.sleep(40.0)
        assert await rows(world) == []
        assert max(reading.asked) <= 4 * READY_MIN
        assert len(reading.rows) < 3 * 3_000

    run(main())


def test_an_endpoint_that_fails_fast_is_read_for_in_small_pages():
    async def main():
        sink = Told(FAILED, seconds=0.002)
        world = await world_owing(5_000, orders=sink)
        reading = SlowlyRead(world, 0.05)
        async with world.relay():
            await asyncio.sleep(5.0)
        assert len(sink.requests) > 1_000
        assert max(reading.asked) <= READY_MIN

    run(main())


def test_pages_of_large_jobs_are_small():
    async def main():
        sink = Told(seconds=0.002)
        world = await world_owing(2_000, orders=sink)
        reading = SlowlyRead(world, 0.05)
        for key, job in world.ledger._jobs.items():
            world.ledger._jobs[key] = replace(job, job_status=b'{"results":"%b"}' % (b"x" * 60_000))
        async with world.relay():
            await asyncio.sleep(10.0)
        assert len(sink.requests) == 2_000
        assert READY_MIN < max(reading.asked) <= BYTES_MAX // 60_000

    run(main())


def test_what_is_claimed_is_not_read_again():
    async def main():
        sink = Told(seconds=0.002)
        world = await world_owing(3_000, orders=sink)
        reading = SlowlyRead(world, 0.01)
        async with world.relay():
            await asyncio.sleep(5.0)
        assert len(sink.requests) == 3_000
        # The last page is not full, and the one after it begins from the start.
        assert len(reading.rows) < 3_000 + 2 * max(reading.asked)

    run(main())


def test_what_was_passed_over_or_put_back_is_read_again_from_the_start():
    async def main():
        sink = Told(seconds=0.01)
        world = await world_owing(2_000, orders=sink)
        async with world.relay() as shard:
            for _ in range(5):
                await asyncio.sleep(0.1)
                shard.suspend()  # cuts attempts short
                await asyncio.sleep(0.1)
                shard.resume()
                await asyncio.sleep(0.1)
                await shard.sinks.pause("orders")
                await asyncio.sleep(0.1)
                await shard.sinks.resume("orders")
            await asyncio.sleep(10.0)
            assert shard._writer._claims.count("orders") == 0
        assert await rows(world) == []
        assert set(sink.subjects) == {f"V3-{number:05}" for number in range(2_000)}

    run(main())


def test_a_throttled_endpoint_is_left_alone_then_tried_by_one_then_by_all():
    async def main():
        limited = Attempt(reason=Reason.RATE_LIMITED, retry_after_seconds=30.0)
        sink = Told(lambda number: limited if number < 8 else Attempt(), seconds=1.0)
        world = await world_owing(40, orders=sink)
        async with world.relay() as shard:
            await asyncio.sleep(10.0)
            assert [one.state for one in await shard.sinks.standing()] == [SinkState.THROTTLED]
            await asyncio.sleep(50.0)
        assert [round(at) for at in sink.times[:17]] == [0] * 8 + [31] + [32] * 8
        assert len(sink.requests) == 48
        assert await rows(world) == []
        assert world.log.logged == [], "regulation is no news"

    run(main())


def test_a_failing_endpoint_costs_few_attempts_and_no_delivery_its_own():
    async def main():
        sink = Told(FAILED)
        world = await world_owing(500, orders=sink)
        world.schedule = Schedule(retry_seconds=(0.0, *(20.0 for _ in range(9)), 7_200.0))
        async with world.relay() as shard:
            await asyncio.sleep(60.0)
            before = len(sink.requests)
            used = sum(row.attempts for row in await rows(world))
            assert [one.state for one in await shard.sinks.standing()] == [SinkState.FAILING]
            await asyncio.sleep(600.0)
            assert 3 <= len(sink.requests) - before <= 600 / 60
            assert sum(row.attempts for row in await rows(world)) == used
            sink.answer = None
            await asyncio.sleep(PROBE_SECONDS_MAX + 60.0)
            assert [one.state for one in await shard.sinks.standing()] == [SinkState.ACTIVE]
        assert await rows(world) == []
        assert [event for event, _ in world.log.lines] == ["sink.failing", "sink.recovered"]
        assert world.log.lines[0][1] == {"sink": "orders", "error": "server_error: 500"}

    run(main())


@pytest.mark.parametrize("poisonous", [1, 3])
def test_what_a_receiver_cannot_digest_does_not_keep_its_endpoint_closed(poisonous):
    """The probes go to what has failed least."""

    async def main():
        poison = {f"V3-{number:05}" for number in range(poisonous)}
        down = True
        sink = Told()
        sink.answer = lambda number: FAILED if down or sink.subjects[number] in poison else Attempt()
        world = await world_owing(12, orders=sink)
        world.schedule = Schedule(retry_seconds=(0.0, *(5.0 for _ in range(30))))
        async with world.relay() as shard:
            await asyncio.sleep(120.0)
            assert [one.state for one in await shard.sinks.standing()] == [SinkState.FAILING]
            down = False
            await asyncio.sleep(PROBE_SECONDS_MAX + 30.0)
            assert {row.job_id for row in await rows(world)} <= poison
            assert len(await rows(world, DeliveryState.DELIVERED)) == 12 - poisonous

    run(main())


def test_a_410_disables_the_sink_durably_and_nothing_is_lost():
    async def main():
        sink = Told(GONE)
        world = await world_owing(30, orders=sink)
        async with world.relay(crash=True) as shard:
            await asyncio.sleep(10.0)
            (standing,) = await shard.sinks.standing()
            assert (standing.state, standing.error, standing.pending) == (SinkState.DISABLED, "gone: 410", 30)
            assert standing.since == pytest.approx(world.clock.now() - 10.0, abs=0.1)
        asked = len(sink.requests)
        assert asked == 8
        sink.answer = None
        async with world.relay() as shard:
            await asyncio.sleep(3_600.0)
            assert len(sink.requests) == asked
            (after,) = await shard.sinks.standing()
            assert (after.state, after.error, after.since) == (SinkState.DISABLED, "gone: 410", standing.since)
            await shard.sinks.resume("orders")
            await asyncio.sleep(5.0)
        assert await rows(world) == []
        assert {row.attempts for row in await rows(world, DeliveryState.DELIVERED)} == {1}
        assert world.log.logged == ["sink.disabled", "sink.disabled", "sink.resumed"], "said again at a start"

    run(main())


def test_when_it_is_paused_attempts_underway_end_and_what_was_only_claimed_goes_back_unharmed():
    async def main():
        sink = Told(seconds=2.0)
        world = await world_owing(40, orders=sink)
        before = {row.key: row for row in await rows(world)}
        async with world.relay() as shard:
            await asyncio.sleep(1.0)
            await shard.sinks.pause("orders")
            await asyncio.sleep(0.5)
            assert shard._writer._claims.count("orders") == 8
            await asyncio.sleep(10.0)
            assert shard._writer._claims.count("orders") == 0
            waiting = await rows(world)
            assert len(waiting) == 32
            assert all(before[row.key] == row for row in waiting)
            await shard.sinks.resume("orders")
            await asyncio.sleep(20.0)
        assert len(sink.requests) == 40
        assert await rows(world) == []

    run(main())


def test_what_waits_for_a_paused_sink_dies_of_age():
    async def main():
        world = await world_owing(3, orders=Told())
        world.schedule = Schedule(retry_seconds=(0.0, 60.0))
        async with world.relay() as shard:
            await shard.sinks.pause("orders")
            await asyncio.sleep(world.schedule.age_seconds_max - 1.0)
            assert len(await rows(world)) == 3
            await asyncio.sleep(SWEEP_SECONDS + 11.0)
        assert {row.error for row in await rows(world, DeliveryState.DEAD)} == {"held up until it was too old"}
        assert await rows(world) == []

    run(main())


def test_what_became_too_old_while_relay_was_down_is_tried_once_before_it_is_given_up():
    async def main():
        sink = Told(lambda number: REFUSED if number else Attempt())
        world = await world_owing(2, orders=sink)
        world.schedule = Schedule(retry_seconds=(0.0, 60.0))
        await asyncio.sleep(100_000.0)
        async with world.relay():
            await asyncio.sleep(1.0)
        assert len(sink.requests) == 2
        assert len(await rows(world, DeliveryState.DELIVERED)) == len(await rows(world, DeliveryState.DEAD)) == 1

    run(main())


def test_a_callback_that_is_not_allowed_any_more_is_dead_and_says_so():
    async def main():
        world = await world_owing(1, callbacks=[URL])
        world.callbacks = ToldCallbacks({})
        async with world.relay():
            await asyncio.sleep(1.0)
        (dead,) = await rows(world, DeliveryState.DEAD)
        assert dead.error == "the configuration does not allow this callback_url (any more)"
        assert dead.attempts == 0

    run(main())


def test_a_410_of_a_callback_ends_that_delivery_and_no_other():
    async def main():
        gone, good = Told(GONE), Told()
        world = await world_owing(2, callbacks=[URL, OTHER_URL])
        world.callbacks = ToldCallbacks({URL: gone, OTHER_URL: good})
        async with world.relay():
            await asyncio.sleep(1.0)
        assert {row.error for row in await rows(world, DeliveryState.DEAD)} == {"gone: 410"}
        assert len(await rows(world, DeliveryState.DELIVERED)) == len(good.requests) == 2
        assert len(gone.requests) == 2

    run(main())


def test_all_callbacks_to_one_origin_share_its_limits():
    async def main():
        sinks = {f"https://hooks.example/{number}": Told(seconds=10.0) for number in range(12)}
        world = await world_owing(1, callbacks=list(sinks))
        world.callbacks = ToldCallbacks(sinks)
        async with world.relay():
            await asyncio.sleep(25.0)
        times = sorted(at for sink in sinks.values() for at in sink.times)
        assert [round(at) for at in times] == [0] * 4 + [10] * 4 + [20] * 4

    run(main())


def test_an_origin_of_callbacks_is_kept_in_mind_only_while_something_is_owed_to_it():
    async def main():
        failing = Told(lambda number: Attempt() if number else FAILED)
        world = await world_owing(1, callbacks=[URL])
        world.callbacks = ToldCallbacks({URL: failing})
        async with world.relay() as shard:
            await asyncio.sleep(2.0)
            assert list(shard._couriers._couriers) == [ORIGIN], "a retry is still owed"
            await asyncio.sleep(LINGER_SECONDS + 30.0)
            assert list(shard._couriers._couriers) == []
            assert len(failing.requests) == 2

    run(main())


def test_a_ledger_that_cannot_be_read_for_a_while_only_delays():
    async def main():
        sink = Told()
        world = await world_owing(5, orders=sink)
        read, asked = world.ledger.due, 0

        async def due(endpoint, now, limit, *, after=None):
            nonlocal asked
            asked += 1
            if world.clock.monotonic() < 60.0:
                raise LedgerError("no")
            return await read(endpoint, now, limit, after=after)

        world.ledger.due = due
        async with world.relay():
            await asyncio.sleep(90.0)
        assert len(sink.requests) == 5
        assert asked < 15
        assert world.log.logged == ["ledger.unreadable", "ledger.readable"]

    run(main())


@pytest.mark.parametrize("seconds", [ANSWER_SECONDS, 70.0], ids=["in back-off", "in flight"])
def test_the_end_of_a_job_is_tried_at_once_and_after_whatever_is_in_flight(seconds):
    """Its earlier events wait for minutes by then, or an attempt with one of them is still underway."""

    async def main():
        sink = Told(seconds=seconds)
        sink.answer = lambda number: Attempt() if final(sink.requests[number]) else FAILED
        world = await world_owing(0, orders=sink)
        world.subscriptions = [Subscription(sink="orders", types=frozenset(EventType))]
        (job_id,) = world.start_jobs(1, fate=Fate.SUCCEEDED, queue_seconds=1.0, work_seconds=60.0)
        async with world.relay() as shard:
            await shard.track(world.requests([job_id]))
            await asyncio.sleep(250.0)
        *earlier, last = sink.requests
        assert earlier
        assert final(last)
        assert not any(map(final, earlier))
        detected_at = world.when(data_of(last.event)["detected_at"]) - EPOCH
        free_at = earlier[-1].at + seconds
        assert last.at == pytest.approx(max(detected_at, free_at), abs=0.1)
        assert (free_at > detected_at) == (seconds > 1)

    run(main())


def final(request):
    return request.event.type in TERMINAL_TYPES


def test_after_an_outage_of_the_ledger_it_goes_on_at_once():
    async def main():
        sink = Told(seconds=0.5)
        world = await world_owing(40, orders=sink)
        start = world.clock.monotonic()
        world.ledger.outages = [(start + 0.7, start + 1.7)]
        async with world.relay():
            await asyncio.sleep(8.0)
        assert len(sink.requests) == 40
        assert max(b - a for a, b in pairwise(sink.times)) < 3.0

    run(main())


def test_what_is_owed_to_a_sink_that_is_not_configured_any_more_waits_but_not_for_ever():
    async def main():
        world = await world_owing(2, orders=Told())
        world.subscriptions, receivers = [], world.receivers
        await asyncio.sleep(Schedule().age_seconds_max - 300.0)
        async with world.relay():
            await asyncio.sleep(200.0)
            assert len(await rows(world)) == 2
            await asyncio.sleep(200.0)
            assert await rows(world) == []
        assert len(await rows(world, DeliveryState.DEAD)) == 2
        assert receivers["orders"].requests == []

    run(main())
