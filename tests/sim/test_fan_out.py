"""Many receivers of one stream of jobs, in virtual time: each hears what it asked for, and Zendesk notices nothing."""

import asyncio
from itertools import product

from msgspec.structs import replace
from sim.virtual import run
from sim.world import PlainSink, Receiver, World, data_of

from relay.core.delivery import Attempt, Subscription
from relay.core.events import TERMINAL_TYPES, types_named
from relay.core.job import Outcome
from relay.errors import Reason
from relay.simulator import SCENARIOS

TYPES = {"terminal": "terminal", "all": "*", "full": "zendesk.job.*", "bad": "*ed", "one": "completed"}
OUTCOMES = {"any": None, "bad": frozenset({Outcome.FAILED, Outcome.PARTIALLY_FAILED})}
ACCOUNTS = {"every": ("*",), "some": ("acme-*",), "two": ("acme-eu", "globex")}
LATE_SECONDS = 1_800.0  # when all jobs of these tests have ended


class Callbacks:
    """A receiver for each url, made when it is called for the first time."""

    def __init__(self, world):
        self._world = world
        self.receivers = {}

    def sink_for(self, url):
        return self.receivers.setdefault(url, Receiver(self._world.clock, self._world.random))

    def heard(self, url):
        """(event id, type, metadata) of all that this url was sent."""
        taken = self.receivers[url].taken if url in self.receivers else []
        return [(event.id, event.type, data_of(event)["metadata"]) for event in taken]


class Down(PlainSink):
    """Refuses the connection."""

    def __init__(self):
        self.attempts = 0

    async def send(self, event):
        self.attempts += 1
        return Attempt(reason=Reason.CONNECT)


def world_with(*subscriptions, accounts=("acme",)):
    world = World(scenario=SCENARIOS["mixed"], accounts=accounts)
    world.subscriptions = [Subscription(sink="everything", types=types_named("*")), *subscriptions]
    world.receivers = {each.sink: Receiver(world.clock, world.random) for each in world.subscriptions}
    world.callbacks = Callbacks(world)
    return world


def submission(world, job_id, number):
    """What the submitter of that number asks for."""
    (request,) = world.requests([job_id])
    url = f"https://submitter-{number}.example/done"
    return replace(request, metadata=b'{"submitter":%d}' % number, callback_url=url)


def ends(receiver):
    return [event for event in receiver.taken if event.type in TERMINAL_TYPES]


def test_every_combination_of_types_outcomes_and_accounts_gets_what_it_asked_for():
    """Thirty sinks beside each other; what each should hear is told from what a sink of everything has heard."""
    wanted = {"-".join(names): names for names in product(TYPES, OUTCOMES, ACCOUNTS)}
    subscriptions = [
        Subscription(sink=sink, types=types_named(TYPES[types]), outcomes=OUTCOMES[outcomes], accounts=ACCOUNTS[where])
        for sink, (types, outcomes, where) in wanted.items()
    ]

    async def main():
        world = world_with(*subscriptions, accounts=("acme-eu", "acme-us", "globex"))
        async with world.relay() as shard:
            for account in world.accounts:
                await shard.track(world.requests(world.start_jobs(20, account=account), account))
            await asyncio.sleep(LATE_SECONDS)
        told = [(event, data_of(event)) for event in ends(world.receivers["everything"])]
        assert {data["outcome"] for _, data in told} >= OUTCOMES["bad"] | {Outcome.SUCCEEDED}
        for subscription in subscriptions:
            expected = {
                event.id
                for event, data in told
                if event.type in subscription.types
                and (subscription.outcomes is None or data["outcome"] in subscription.outcomes)
                and data["account"] in chosen(world.accounts, subscription.accounts)
            }
            receiver = world.receivers[subscription.sink]
            assert sorted(event.id for event in ends(receiver)) == sorted(expected), subscription
            assert expected
            kinds = {event.type for event in receiver.taken}
            assert kinds <= subscription.types
            if "zendesk.job.started" in subscription.types:
                assert "zendesk.job.started" in kinds

    run(main())


def chosen(accounts, patterns):
    """By hand: the only kinds of patterns that are played here."""
    return {
        account
        for account in accounts
        for pattern in patterns
        if pattern in {"*", account} or (pattern.endswith("-*") and account.startswith(pattern[:-1]))
    }


def test_several_submitters_of_one_job_share_its_polls():
    """Sixteen of them cost Zendesk not one request more than one, and each hears the end with its own metadata."""

    async def requests_for(submitters):
        world = world_with()
        (job_id,) = world.start_jobs(1)
        async with world.relay() as shard:
            for number in range(submitters):
                assert await shard.track([submission(world, job_id, number)]) == [number == 0]
            await asyncio.sleep(LATE_SECONDS)
        (end,) = ends(world.receivers["everything"])
        for number in range(submitters):
            heard = world.callbacks.heard(f"https://submitter-{number}.example/done")
            assert heard == [(end.id, end.type, {"submitter": number})]
        return len(world.exchanges)

    assert run(requests_for(16)) == run(requests_for(1)) > 0


def test_who_comes_after_the_end_hears_it_at_once_and_nobody_else_hears_it_again():
    async def main():
        world = world_with()
        (job_id,) = world.start_jobs(1)
        async with world.relay() as shard:
            await shard.track([submission(world, job_id, 0)])
            await asyncio.sleep(LATE_SECONDS)
            asked = len(world.exchanges)
            for number in (0, 1, 1):
                assert await shard.track([submission(world, job_id, number)]) == [False]
            await asyncio.sleep(1.0)
            assert len(world.exchanges) == asked
        (end,) = ends(world.receivers["everything"])
        for number in (0, 1):
            heard = world.callbacks.heard(f"https://submitter-{number}.example/done")
            assert heard == [(end.id, end.type, {"submitter": number})]

    run(main())


def test_a_callback_that_was_named_before_a_crash_hears_the_end_after_it():
    async def main():
        world = world_with()
        ids = world.start_jobs(20)
        async with world.relay(crash=True) as shard:
            await shard.track([submission(world, job_id, number) for number, job_id in enumerate(ids)])
        async with world.relay():
            await asyncio.sleep(LATE_SECONDS)
        for number in range(len(ids)):
            heard = world.callbacks.heard(f"https://submitter-{number}.example/done")
            assert [metadata for _, _, metadata in heard] == [{"submitter": number}]

    run(main())


def test_a_callback_that_is_down_delays_nobody_and_is_tried_again():
    async def main():
        world = world_with()
        down = world.callbacks.receivers["https://submitter-0.example/done"] = Down()
        (job_id,) = world.start_jobs(1)
        async with world.relay() as shard:
            await shard.track([submission(world, job_id, number) for number in (0, 1)])
            await asyncio.sleep(LATE_SECONDS)
            assert down.attempts >= 3
            (end,) = ends(world.receivers["everything"])
            assert [one[0] for one in world.callbacks.heard("https://submitter-1.example/done")] == [end.id]
            world.callbacks.receivers["https://submitter-0.example/done"] = Receiver(world.clock, world.random)
            await asyncio.sleep(4 * 3_600.0)
        assert [one[0] for one in world.callbacks.heard("https://submitter-0.example/done")] == [end.id]

    run(main())
