"""Accounts that come, go and change while relay runs: nothing is lost, and no budget begins anew."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from sim.test_oauth import SECRET, Signing
from sim.test_world import assert_told_right, ending, until_ended
from sim.virtual import run
from sim.world import ModelZendesk, World

from relay.core.pacing import Rate
from relay.core.zendesk import Response
from relay.errors import LedgerError, Reason, Unavailable
from relay.shard.ports import Account, Polling
from relay.simulator import SCENARIOS, combine

HALF_MINUTE = Rate(max_requests_per_minute=30)


def account(world, name="acme", **changes):
    known = Account(
        name=name,
        source=f"https://{name}.zendesk.com/api/v2/job_statuses",
        rate=world.rate,
        polling=world.polling,
        zendesk=world.zendesk(name),
        grant=world.grants.get(name),
    )
    return replace(known, **changes)


async def put(shard, *accounts):
    await shard.configure(accounts, (), Polling())


async def remove(shard, *names):
    await shard.configure((), names, Polling())


async def until(true):
    while not true():  # noqa: ASYNC110 - time is virtual
        await asyncio.sleep(0.01)


def moments(world, name="acme"):
    return [record.at for record in world.simulator.requests if record.account == name]


def assert_spaced(world, gap, name="acme"):
    assert len(moments(world, name)) > 10
    assert min(b - a for a, b in pairwise(moments(world, name))) >= gap - 1e-6


def test_jobs_of_an_account_that_is_removed_wait_and_go_on_when_it_returns():
    async def main():
        world = World(accounts=("acme", "other"))
        async with world.relay() as shard:
            ids = world.start_jobs(20)
            await shard.track(world.requests(ids))
            await asyncio.sleep(3)
            await remove(shard, "acme")
            asked = len(moments(world))
            await asyncio.sleep(600)
            assert len(moments(world)) == asked, "what was underway has ended, and nothing more is sent"
            acme = next(one for one in await shard.standing() if one.name == "acme")
            assert (acme.trouble, acme.live_jobs > 0) == (Reason.ACCOUNT_NOT_CONFIGURED, True)
            await put(shard, account(world))
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))

    run(main())


def test_jobs_that_wait_for_an_account_are_taken_up_when_it_is_added():
    async def main():
        world = World(accounts=())
        async with world.relay() as shard:
            ids = world.start_jobs(20)
            await shard.track(world.requests(ids))
            await asyncio.sleep(60)
            await put(shard, account(world))
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))
        assert {event.source for event in world.receivers["final"].taken} == {account(world).source}

    run(main())


def test_however_often_an_account_is_changed_or_comes_and_goes_its_requests_are_spaced():
    async def main():
        world = World(scenario=SCENARIOS["slow"])
        world.rate = HALF_MINUTE
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(150)))
            for number in range(600):
                if number % 10 == 0:
                    await remove(shard, "acme")
                if number % 3 == 0:
                    await put(shard, account(world))
                await asyncio.sleep(0.31)
        assert_spaced(world, 2.0)

    run(main())


def test_a_new_ceiling_counts_from_the_next_request_on():
    async def main():
        world = World(scenario=SCENARIOS["slow"])
        world.rate = Rate(max_requests_per_minute=600, reserve=0, share=1)
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(400)))
            await asyncio.sleep(30)
            await put(shard, account(world, rate=HALF_MINUTE))
            await asyncio.sleep(0.2)  # what was underway arrives
            before = len(moments(world))
            await asyncio.sleep(60)
        assert before > 15
        assert 0 < len(moments(world)) - before <= 31
        late = moments(world)[before - 1 :]
        assert min(b - a for a, b in pairwise(late)) >= 2.0 - 1e-6

    run(main())


class Denying(ModelZendesk):
    """An account that lets in only who has the key, and remembers who came without it."""

    key = "new"

    def __init__(self, world, key):
        super().__init__(world.simulator, "acme", world.clock)
        self._key = key

    async def get(self, request):
        response = await super().get(request)
        return response if self._key == self.key else Response(status=401, headers={}, body=b"")


def test_a_changed_credential_ends_the_pause_of_an_account_that_was_denied():
    async def main():
        world = World()
        async with world.relay() as shard:
            await put(shard, account(world, zendesk=Denying(world, "old")))
            ids = world.start_jobs(5, fate="succeeded", work_seconds=1.0)
            await shard.track(world.requests(ids))
            await asyncio.sleep(300)
            assert [one.trouble for one in await shard.standing()] == [Reason.UNAUTHORIZED]
            asked = len(moments(world))
            await asyncio.sleep(2)
            assert len(moments(world)) == asked
            await put(shard, account(world, zendesk=Denying(world, "new")))
            await asyncio.sleep(1.5)
            assert [one.trouble for one in await shard.standing()] == [None]
            assert len(moments(world)) == asked + 1
            await until_ended(world, ids)
        assert_told_right(world, ids)

    run(main())


def test_a_denial_of_the_former_credential_that_arrives_late_pauses_nothing():
    async def main():
        world = World(scenario=SCENARIOS["slow"])
        async with world.relay() as shard:
            await put(shard, account(world, zendesk=Denying(world, "old")))
            await shard.track(world.requests(world.start_jobs(1)))
            await until(lambda: moments(world))
            await put(shard, account(world, zendesk=Denying(world, "new")))
            await asyncio.sleep(30)
        assert "account.paused" not in world.log.logged
        assert len(moments(world)) > 2

    run(main())


class Forbidding(ModelZendesk):
    """An account that once says, slowly, not to come back for five minutes."""

    def __init__(self, world):
        super().__init__(world.simulator, "acme", world.clock)
        self.said = False

    async def get(self, request):
        response = await super().get(request)
        if self.said:
            return response
        self.said = True
        await asyncio.sleep(5)
        return Response(status=429, headers={"retry-after": "300"}, body=b"")


@pytest.mark.parametrize("when", ["before", "underway", "after"])
def test_a_retry_after_holds_although_the_account_is_changed_and_comes_and_goes(when):
    """Whether it is removed before the reply is there and returns before, or meanwhile, or after."""

    async def main():
        world = World(scenario=SCENARIOS["slow"])
        async with world.relay() as shard:
            await put(shard, account(world, zendesk=Forbidding(world)))
            await shard.track(world.requests(world.start_jobs(5)))
            await until(lambda: moments(world))
            await asyncio.sleep({"before": 0.01, "underway": 1.0, "after": 8.0}[when])
            await remove(shard, "acme")
            await asyncio.sleep({"before": 0.01, "underway": 6.0, "after": 1.0}[when])
            await put(shard, account(world))
            await put(shard, account(world, rate=Rate(max_requests_per_minute=600)))
            await asyncio.sleep(600)
        first, second, *_ = moments(world)
        assert second - first >= 300

    run(main())


def test_another_pace_of_polling_takes_effect():
    async def main():
        world = World(scenario=SCENARIOS["slow"])
        world.polling = Polling(fresh_within_seconds=60)
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(5, fate="succeeded", work_seconds=3_000.0)))
            await asyncio.sleep(600)
            slow = len(moments(world))
            await put(shard, account(world, polling=Polling(fresh_within_seconds=2)))
            await asyncio.sleep(600)
        assert len(moments(world)) > 4 * slow

    run(main())


def test_a_ledger_that_is_out_of_order_puts_an_addition_off():
    async def main():
        world = World(accounts=())
        async with world.relay() as shard:
            world.ledger.marks = failing
            with pytest.raises(LedgerError):
                await put(shard, account(world))
            assert await shard.standing() == []
            del world.ledger.marks
            await put(shard, account(world))
            assert [one.name for one in await shard.standing()] == ["acme"]

    async def failing():
        raise LedgerError("no disk")

    run(main())


ROTATING = combine(SCENARIOS["issued-tokens"], SCENARIOS["expiring-tokens"])


def test_another_client_secret_goes_on_with_the_newest_refresh_token():
    """The configured one is long used up, and nothing but the newest would let us in."""

    async def main():
        world = Signing(scenario=ROTATING)
        world.authorize()
        world.round_trip_seconds = 1.0
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(3, fate="stuck")))
            for number in range(100):
                await asyncio.sleep(7.3)
                grant = replace(world.grants["acme"], client_secret=f"{SECRET}{number}")
                await put(shard, account(world, grant=grant))
        assert len(world.renewals) > 10
        assert world.log.paused() == []

    run(main())


def test_an_account_that_goes_while_a_token_is_rotated_returns_with_the_newest():
    async def main():
        world = Signing(scenario=ROTATING)
        world.authorize()
        world.round_trip_seconds = 2.0
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(3, fate="stuck")))
            for _ in range(5):
                await until(lambda: shard.poller.posts["acme"].renewal)
                await asyncio.sleep(1.5)
                await remove(shard, "acme")
                await put(shard, account(world))
                await asyncio.sleep(10)
        assert len(world.renewals) >= 5
        assert world.log.paused() == []

    run(main())


async def track(world, shard, name, ids):
    """As a client does: again, until it is told that they are recorded."""
    while True:
        try:
            return await shard.track(world.requests(ids, name))
        except Unavailable:
            await asyncio.sleep(0.5)


async def reconfigure(world, shard, chance):
    """Whatever may happen to one of the accounts, and some time for it to show."""
    name = chance.choice(("acme", "other"))
    if chance.random() < 0.4:
        await remove(shard, name)
    else:
        await put(shard, account(world, name, rate=Rate(max_requests_per_minute=chance.choice((30, 60)))))
    await asyncio.sleep(chance.choice((0.0, 0.05, 0.5, 5.0)))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_configured_when_all_jobs_end_as_zendesk_says(seed):
    """Two accounts come, go and change at random, with crashes, faults and a ledger that is out of order at times."""

    async def main():
        world = World(seed=seed, scenario=combine(SCENARIOS["mixed"], SCENARIOS["flaky"]), accounts=("acme", "other"))
        world.rate = Rate(max_requests_per_minute=60)
        world.ledger.outages = [(start, start + 5.0) for start in range(11, 300, 41)]
        chance = Random(seed)
        ids = world.start_jobs(30) + world.start_jobs(30, account="other")
        for _ in range(6):
            async with world.relay(crash=True) as shard:
                for name, part in (("acme", ids[:30]), ("other", ids[30:])):
                    await track(world, shard, name, part)
                for _ in range(chance.randint(5, 40)):
                    await reconfigure(world, shard, chance)
        world.accounts = ("acme", "other")
        async with world.relay():
            await until_ended(world, ending(world, ids), hours=30)
        assert_told_right(world, ending(world, ids))
        for name in world.accounts:
            assert all(b - a >= 1.0 for a, b in pairwise(moments(world, name)))

    run(main())
