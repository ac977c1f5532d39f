"""What a person may ask of sinks, on the reference ledger and in virtual time."""

import asyncio

import pytest
from sim.owing import Told, ToldCallbacks, world_owing
from sim.virtual import run

from relay.core.delivery import Attempt, DeliveryState, Schedule
from relay.core.record import Backlog, DeliveryFilter
from relay.core.standing import SinkStanding, SinkState
from relay.errors import Reason, UnknownSink
from relay.shard.recovering import PAGE as RECOVER_PAGE
from relay.shard.sinks import by_label

REFUSED = Attempt(reason=Reason.REFUSED, detail="400")
GONE = Attempt(reason=Reason.GONE, detail="410")
URL, OTHER_URL = "https://hooks.example/a?token=x", "https://other.example/b"
ONCE = Schedule(retry_seconds=(0.0,))


async def rows(shard, state):
    return [delivery for delivery, _ in await shard.sinks.deliveries(DeliveryFilter(state=state), None, 10_000)]


async def dead_world(count, answer=REFUSED):
    """A world whose sink has refused so much for good; and the sink."""
    sink = Told(answer)
    world = await world_owing(count, orders=sink)
    world.schedule = ONCE
    async with world.relay() as shard:
        await asyncio.sleep(10.0)
        assert len(await rows(shard, DeliveryState.DEAD)) == count
    return world, sink


class TestStanding:
    def test_every_configured_sink_stands_there_in_order_and_callbacks_only_where_there_are_any(self):
        async def main():
            world = await world_owing(0, second=Told(), first=Told())
            async with world.relay() as shard:
                assert await shard.sinks.standing() == [
                    SinkStanding(name="second", kind="webhook"),
                    SinkStanding(name="first", kind="webhook"),
                ]
            world.callbacks = ToldCallbacks({})
            async with world.relay() as shard:
                assert (await shard.sinks.standing())[2:] == [SinkStanding(name="callback", kind="callback")]

        run(main())

    def test_what_is_owed_and_given_up_is_told(self):
        async def main():
            world = await world_owing(3, orders=Told(lambda number: REFUSED if number else Attempt()))
            began, world.schedule = world.clock.now(), Schedule(retry_seconds=(0.0, 60.0))
            async with world.relay() as shard:
                await asyncio.sleep(1.0)
                (standing,) = await shard.sinks.standing()
                assert (standing.pending, standing.dead) == (2, 0)
                assert standing.oldest_pending_since == pytest.approx(began, abs=0.01)
                await asyncio.sleep(100.0)
                (standing,) = await shard.sinks.standing()
                assert (standing.pending, standing.dead, standing.oldest_pending_since) == (0, 2, None)

        run(main())

    def test_of_callbacks_the_origin_that_is_worst_off_is_told(self):
        async def main():
            asking = Attempt(reason=Reason.RATE_LIMITED, detail="429 slow down", retry_after_seconds=600.0)
            world = await world_owing(1, callbacks=[URL, OTHER_URL])
            world.callbacks = ToldCallbacks({URL: Told(), OTHER_URL: Told(asking)})
            async with world.relay() as shard:
                await asyncio.sleep(1.0)
                (standing,) = await shard.sinks.standing()
                assert (standing.name, standing.state, standing.pending) == ("callback", SinkState.THROTTLED, 1)
                assert standing.error == (
                    "1 of the origins, such as callback:https://other.example:443: rate_limited: 429 slow down"
                )

        run(main())

    def test_endpoints_of_callbacks_are_added_up(self):
        backlog = {
            "orders": Backlog(pending=1),
            "callback:https://a:443": Backlog(pending=2, dead=1, oldest_pending_since=50.0),
            "callback:https://b:443": Backlog(pending=3, dead=4, oldest_pending_since=40.0),
            "callback:https://c:443": Backlog(dead=1),
        }
        assert by_label(backlog) == {
            "orders": Backlog(pending=1),
            "callback": Backlog(pending=5, dead=6, oldest_pending_since=40.0),
        }


@pytest.mark.parametrize("name", ["nobody", "callback"])
@pytest.mark.parametrize("call", ["pause", "resume", "test", "recover"])
def test_a_sink_that_there_is_not_is_unknown(call, name):
    async def main():
        world = await world_owing(1, orders=Told())
        async with world.relay() as shard:
            arguments = (name, 0.0, 1.0) if call == "recover" else (name,)
            with pytest.raises(UnknownSink):
                await getattr(shard.sinks, call)(*arguments)

    run(main())


class TestPause:
    def test_a_pause_holds_across_a_restart(self):
        async def main():
            sink = Told()
            world = await world_owing(3, orders=sink)
            async with world.relay(crash=True) as shard:
                await shard.sinks.pause("orders")
                (before,) = await shard.sinks.standing()
            asked = len(sink.requests)
            async with world.relay() as shard:
                await asyncio.sleep(100.0)
                (after,) = await shard.sinks.standing()
                assert (after.state, after.since) == (SinkState.PAUSED, before.since)
                await shard.sinks.resume("orders")
                await asyncio.sleep(1.0)
                assert len(sink.requests) == max(3, asked)
            async with world.relay() as shard:
                assert (await shard.sinks.standing())[0].state is SinkState.ACTIVE

        run(main())

    def test_a_sink_that_is_disabled_stays_so_when_it_is_paused(self):
        """Why it stands still is worth more than who asked for it as well."""

        async def main():
            world = await world_owing(1, orders=Told(GONE))
            async with world.relay() as shard:
                await asyncio.sleep(1.0)
                await shard.sinks.pause("orders")
                assert (await shard.sinks.standing())[0].state is SinkState.DISABLED

        run(main())

    def test_callbacks_are_paused_together_those_that_come_later_included(self):
        async def main():
            one, other = Told(), Told()
            world = await world_owing(1, callbacks=[URL])
            world.callbacks = ToldCallbacks({URL: one, OTHER_URL: other})
            async with world.relay() as shard:
                await shard.sinks.pause("callback")
                (request,) = world.requests(["V3-00000"])
                await shard.track([_with_callback(request, OTHER_URL)])
                await asyncio.sleep(100.0)
                assert one.requests == other.requests == []
                assert (await shard.sinks.standing())[-1].state is SinkState.PAUSED
                await shard.sinks.resume("callback")
                await asyncio.sleep(1.0)
                assert len(one.requests) == len(other.requests) == 1

        run(main())


def _with_callback(request, url):
    return type(request)(account=request.account, id=request.id, callback_url=url)


class TestTest:
    @pytest.mark.parametrize("paused", [False, True])
    def test_a_test_is_sent_once_and_at_once_paused_or_not(self, paused):
        async def main():
            sink = Told(REFUSED)
            world = await world_owing(0, orders=sink)
            async with world.relay() as shard:
                if paused:
                    await shard.sinks.pause("orders")
                assert await shard.sinks.test("orders") == REFUSED
                await shard.sinks.test("orders")
                first, second = (request.event for request in sink.requests)
                assert (first.type, first.subject) == ("relay.test", "orders")
                assert first.id != second.id
                assert (await shard.sinks.standing())[0].state is (SinkState.PAUSED if paused else SinkState.ACTIVE)

        run(main())


class TestRecover:
    def test_what_is_dead_and_became_owed_in_that_time_is_sent_again(self):
        async def main():
            world, sink = await dead_world(3)
            owed_at = world.clock.now() - 10.0
            sink.answer = None
            async with world.relay() as shard:
                assert await shard.sinks.recover("orders", owed_at - 100.0, owed_at - 1.0) == 0
                assert await shard.sinks.recover("orders", owed_at - 1.0, owed_at + 1.0) == 3
                assert await shard.sinks.recover("orders", owed_at - 1.0, owed_at + 1.0) == 0
                await asyncio.sleep(1.0)
                assert len(await rows(shard, DeliveryState.DELIVERED)) == 3
            assert sorted(sink.subjects[:3]) == sorted(sink.subjects[3:])
            ids = [request.event.id for request in sink.requests]
            assert sorted(ids[:3]) == sorted(ids[3:]), "the same ids"

        run(main())

    def test_however_many_there_are(self):
        async def main():
            count = 2 * RECOVER_PAGE + 1
            world, sink = await dead_world(count)
            sink.answer = None
            async with world.relay() as shard:
                assert await shard.sinks.recover("orders", 0.0, world.clock.now()) == count
                await asyncio.sleep(10.0)
                assert await rows(shard, DeliveryState.DEAD) == await rows(shard, DeliveryState.PENDING) == []

        run(main())

    def test_callbacks_are_recovered_by_one_name(self):
        async def main():
            sinks = {URL: Told(GONE), OTHER_URL: Told(GONE)}
            world = await world_owing(2, callbacks=list(sinks))
            world.callbacks = ToldCallbacks(sinks)
            async with world.relay() as shard:
                await asyncio.sleep(1.0)
                for sink in sinks.values():
                    sink.answer = None
                assert await shard.sinks.recover("callback", 0.0, world.clock.now()) == 4
                await asyncio.sleep(1.0)
                assert len(await rows(shard, DeliveryState.DELIVERED)) == 4

        run(main())


class TestRetry:
    def test_what_is_dead_is_owed_again_at_once(self):
        async def main():
            world, sink = await dead_world(2)
            sink.answer = None
            async with world.relay() as shard:
                key = (await rows(shard, DeliveryState.DEAD))[0].key
                assert await shard.sinks.retry(key)
                await asyncio.sleep(1.0)
                assert [row.key for row in await rows(shard, DeliveryState.DELIVERED)] == [key]
                assert len(await rows(shard, DeliveryState.DEAD)) == 1

        run(main())

    def test_what_waits_is_due_at_once(self):
        async def main():
            sink = Told(lambda number: REFUSED if number < 2 else Attempt())
            world = await world_owing(1, orders=sink)
            async with world.relay() as shard:
                await asyncio.sleep(20.0)
                (waiting,) = await rows(shard, DeliveryState.PENDING)
                assert waiting.due_at > world.clock.now() + 200
                assert await shard.sinks.retry(waiting.key)
                await asyncio.sleep(1.0)
                (delivered,) = await rows(shard, DeliveryState.DELIVERED)
                assert delivered.attempts == 3

        run(main())

    def test_what_was_delivered_is_sent_again_with_the_same_id(self):
        async def main():
            sink = Told()
            world = await world_owing(1, orders=sink)
            async with world.relay() as shard:
                await asyncio.sleep(1.0)
                (delivered,) = await rows(shard, DeliveryState.DELIVERED)
                assert await shard.sinks.retry(delivered.key)
                await asyncio.sleep(1.0)
                assert len(sink.requests) == 2
                assert len({request.event.id for request in sink.requests}) == 1

        run(main())

    @pytest.mark.parametrize("change", [{"sink": "nobody"}, {"job_id": "V3-nobody"}, {"tracked_at": 1.0}])
    def test_what_there_is_not_cannot_be_retried(self, change):
        async def main():
            world, _ = await dead_world(1)
            async with world.relay() as shard:
                (dead,) = await rows(shard, DeliveryState.DEAD)
                assert not await shard.sinks.retry(dead.key._replace(**change))

        run(main())

    def test_what_was_owed_to_a_sink_that_is_not_configured_any_more_cannot_be_retried(self):
        async def main():
            world, _ = await dead_world(1)
            world.subscriptions = []
            async with world.relay() as shard:
                (dead,) = await rows(shard, DeliveryState.DEAD)
                assert not await shard.sinks.retry(dead.key)
                assert await rows(shard, DeliveryState.DEAD) == [dead]

        run(main())
