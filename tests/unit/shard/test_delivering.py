import asyncio
from random import Random

from sim.owing import Told, ToldCallbacks, ended_job, rows_of
from sim.virtual import VirtualClock, run

from relay.core.delivery import Attempt, DeliveryState, Schedule, Subscription
from relay.core.job import EventType
from relay.errors import Reason
from relay.shard.claims import Underway
from relay.shard.delivering import NOT_ALLOWED, Delivering
from relay.shard.ports import Subscriber, Surroundings
from relay.shard.routes import CallbackRoute, SinkRoute
from relay.shard.settling import Change, Settle
from relay.shard.suspension import Suspension

NOW = 1_750_000_000.0
URL = "https://hooks.example/a"
ORDERS = Subscription(sink="orders")
REFUSED = Attempt(reason=Reason.REFUSED, detail="400")


class Metrics:
    def __init__(self):
        self.deliveries = []

    def delivery(self, *values):
        self.deliveries.append(values)


def delivering(route, metrics, suspension=None, source=lambda account: f"urn:{account}"):
    around = Surroundings(clock=VirtualClock(), random=Random(1), metrics=metrics, log=None, beat=lambda _: None)
    return Delivering(
        route=route,
        source=source,
        suspension=suspension or Suspension(),
        surroundings=around,
    )


def to_orders(sink, subscription=ORDERS):
    return SinkRoute(Subscriber(subscription=subscription, sink=sink, schedule=Schedule(), concurrency=1))


def owed(callbacks=()):
    job = ended_job(0, NOW, callbacks=callbacks)
    return Underway(delivery=rows_of(job, [] if callbacks else [ORDERS], NOW)[0], job=job)


def test_what_is_owed_is_sent_once_counted_and_to_be_settled():
    async def main():
        sink, metrics, underway = Told(REFUSED, seconds=2.5), Metrics(), owed()
        intent = await delivering(to_orders(sink), metrics).attempt(underway, probe=True)
        assert isinstance(intent, Settle)
        assert (intent.underway, intent.attempt, intent.attempted_sequence) == (underway, REFUSED, 1)
        assert (intent.subscription, intent.schedule, intent.probe) == (ORDERS, Schedule(), True)
        assert 0 <= intent.jitter < 1
        assert metrics.deliveries == [("orders", "refused", 2.5)]
        (request,) = sink.requests
        assert (request.event.source, request.event.type) == ("urn:acme", "zendesk.job.completed")

    run(main())


def test_of_an_attempt_that_is_cut_short_nothing_is_recorded_or_counted():
    async def main():
        suspension, metrics = Suspension(), Metrics()
        slow = delivering(to_orders(Told(seconds=9.0)), metrics, suspension)
        attempt = asyncio.create_task(slow.attempt(owed(), probe=False))
        await asyncio.sleep(1.0)
        suspension.begin()
        assert await attempt is None
        assert metrics.deliveries == []

    run(main())


def test_what_waits_for_its_turn_is_prepared_ahead_but_not_long_before_it_is_sent():
    """Receivers refuse an old signature, and an account may have moved meanwhile."""

    async def main():
        sink, sources = Told(seconds=0.0), iter(["urn:prompt", "urn:outdated", "urn:late"])
        prompt, late = owed(), owed()
        there = delivering(to_orders(sink), Metrics(), source=lambda _: next(sources))
        there.prepare([prompt])
        await asyncio.sleep(0.5)
        await there.attempt(prompt, probe=False)
        assert prompt.prepared is None, "it is not kept until the end of the attempt is recorded"
        late.prepared = there._prepared(late, there._route.recipient(late.delivery, late.job))._replace(at=-9.0)
        await there.attempt(late, probe=False)
        assert [request.event.source for request in sink.requests] == ["urn:prompt", "urn:late"]

    run(main())


def test_nothing_is_prepared_for_callbacks_whose_sinks_are_made_for_each_attempt():
    asked = []

    class Counting(ToldCallbacks):
        def sink_for(self, url):
            asked.append(url)
            return super().sink_for(url)

    async def main():
        route = CallbackRoute("callback:https://hooks.example:443", Counting({URL: Told()}))
        there, rows = delivering(route, Metrics()), [owed([URL]) for _ in range(5)]
        there.prepare(rows)
        assert asked == []
        await there.attempt(rows[0], probe=False)
        assert asked == [URL]

    run(main())


def test_a_callback_is_sent_its_own_metadata_and_counted_with_all_others():
    async def main():
        sink, metrics = Told(), Metrics()
        route = CallbackRoute("callback:https://hooks.example:443", ToldCallbacks({URL: sink}))
        await delivering(route, metrics).attempt(owed([URL]), probe=False)
        assert b'"metadata":{"for":"https://hooks.example/a"}' in sink.requests[0].event.data
        assert [values[:2] for values in metrics.deliveries] == [("callback", "delivered")]

    run(main())


def test_to_a_callback_that_is_not_allowed_any_more_nothing_is_sent():
    async def main():
        metrics, underway = Metrics(), owed([URL])
        intent = await delivering(CallbackRoute("callback:https://hooks.example:443", None), metrics).attempt(
            underway, probe=False
        )
        assert isinstance(intent, Change)
        row = intent.rule(underway.delivery, underway.job, NOW + 1)
        assert (row.state, row.error, row.attempts) == (DeliveryState.DEAD, NOT_ALLOWED, 0)
        assert metrics.deliveries == []

    run(main())


def test_what_the_sink_does_not_want_any_more_is_not_sent():
    """The subscription may have changed over a restart."""

    async def main():
        sink, underway = Told(), owed()
        started_only = Subscription(sink="orders", types=frozenset({EventType.STARTED}))
        intent = await delivering(to_orders(sink, started_only), Metrics()).attempt(underway, probe=False)
        assert isinstance(intent, Change)
        row = intent.rule(underway.delivery, underway.job, NOW + 1)
        assert (row.state, row.error) == (DeliveryState.DELIVERED, "no longer subscribed")
        assert sink.requests == []

    run(main())
