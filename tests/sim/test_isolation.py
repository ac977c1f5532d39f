"""Endpoints in trouble beside healthy ones, in virtual time: the healthy ones' latency does not move."""

import asyncio
from statistics import quantiles

import pytest
from sim.virtual import run
from sim.world import PlainSink, World, data_of

from relay.core.delivery import Attempt, Subscription
from relay.core.job import EventType
from relay.errors import Reason
from relay.simulator import SCENARIOS

TIMEOUT_SECONDS = 15.0
ANSWER_SECONDS = 0.02


class Healthy(PlainSink):
    """`latencies`: seconds from when each event became known to when it was answered."""

    def __init__(self, world):
        self._world = world
        self.latencies = []

    async def send(self, event):
        await asyncio.sleep(ANSWER_SECONDS)
        self.latencies.append(self._world.clock.now() - self._world.when(data_of(event)["detected_at"]))
        return Attempt()


class Hanging(PlainSink):
    """Keeps every request until it times out."""

    def __init__(self):
        self.requests = 0

    async def send(self, _):
        self.requests += 1
        await asyncio.sleep(TIMEOUT_SECONDS)
        return Attempt(reason=Reason.TIMEOUT)


class Failing(Hanging):
    """Says no at once."""

    async def send(self, _):
        self.requests += 1
        await asyncio.sleep(ANSWER_SECONDS)
        return Attempt(reason=Reason.SERVER_ERROR, detail="500")


async def latencies(healthy, hanging=0, failing=0, *, jobs=10):
    """Of the healthy endpoints, each of which gets all events of so many jobs; and who else was asked."""
    world = World(scenario=SCENARIOS["calm"])
    world.receivers = {f"healthy-{number}": Healthy(world) for number in range(healthy)}
    troubled = [*(Hanging() for _ in range(hanging)), *(Failing() for _ in range(failing))]
    world.receivers |= {f"troubled-{number}": one for number, one in enumerate(troubled)}
    world.subscriptions = [Subscription(sink=name, types=frozenset(EventType)) for name in world.receivers]
    async with world.relay() as shard:
        for _ in range(jobs):
            await shard.track(world.requests(world.start_jobs(1, work_seconds=40.0, fate="succeeded")))
            await asyncio.sleep(3.0)
        await asyncio.sleep(120.0)
    well = [one for name, one in world.receivers.items() if name.startswith("healthy")]
    assert all(one.requests for one in troubled)
    assert all(len(one.latencies) > jobs for one in well)
    return [seconds for one in well for seconds in one.latencies]


def p99(values):
    return quantiles(values, n=100)[98]


@pytest.mark.parametrize("troubled", [{"hanging": 1}, {"failing": 1}], ids=["hanging", "failing"])
def test_a_healthy_endpoint_does_not_notice_its_neighbour(troubled):
    alone, beside = run(latencies(1)), run(latencies(1, **troubled))
    assert max(beside) <= max(alone) + 0.01
    assert max(beside) < 0.1


def test_among_a_hundred_endpoints_of_which_half_are_in_trouble_the_others_do_not_notice():
    """30 hang for the whole timeout at every request, 20 fail at once."""
    well, beside = run(latencies(50, jobs=6)), run(latencies(50, hanging=30, failing=20, jobs=6))
    assert p99(beside) <= 1.5 * p99(well)
