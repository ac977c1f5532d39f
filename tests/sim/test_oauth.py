"""OAuth in virtual time: tokens are part of the budget, denials are told, and a crash at any step loses no pair."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from sim.test_world import assert_told_right, ending, until_ended
from sim.virtual import run
from sim.world import ModelZendesk, World

from relay.core.pacing import Rate
from relay.core.tokens import ClientCredentials, RefreshToken, decode_record
from relay.core.zendesk import NoResponse, Response
from relay.errors import Reason
from relay.shard.ports import Polling
from relay.shard.renewal import TOKEN_MARK
from relay.simulator import SCENARIOS, Scenario, combine
from relay.simulator.routing import Call

SECRET = "cl13nt-s3cr3t"
CLIENT = ClientCredentials(client_id="relay", client_secret=SECRET)
ISSUED = combine(SCENARIOS["mixed"], SCENARIOS["issued-tokens"])
ROUND_TRIP_SECONDS = 0.1
COMMIT_SECONDS = 0.002


class Log:
    """What was logged, with its fields."""

    def __init__(self):
        self.entries = []

    def __getattr__(self, level):
        return lambda event, **fields: self.entries.append({"event": event, **fields})

    def of(self, prefix):
        return [entry for entry in self.entries if entry["event"].startswith(prefix)]

    def paused(self):
        return [entry["reason"] for entry in self.of("account.paused")]


class Watched(ModelZendesk):
    """The account, which notes what is underway; its token endpoint answers with `instead` where that is given."""

    def __init__(self, world, account):
        super().__init__(world.simulator, account, world.clock, world.round_trip_seconds)
        self._world = world
        self.underway = Counter()

    async def get(self, request):
        assert not self.underway["post"], "nothing is sent while a token is asked for"
        self._world.used(self._account, request.access_token)
        return await self._counted("get", super().get(request))

    async def post(self, request):
        assert not self.underway["post"], "one token at a time"
        if self._world.instead is not None:
            await asyncio.sleep(self._round_trip)
            return self._world.instead
        return await self._counted("post", super().post(request))

    async def _counted(self, kind, exchange):
        self.underway[kind] += 1
        self._world.underway_max[kind] = max(self._world.underway_max[kind], self.underway[kind])
        try:
            return await exchange
        finally:
            self.underway[kind] -= 1


class Signing(World):
    """`instead`: what the token endpoint answers; None: it works."""

    def __init__(self, *, scenario=ISSUED, grant=CLIENT, **more):
        super().__init__(scenario=scenario, **more)
        self.log = Log()
        self.round_trip_seconds = ROUND_TRIP_SECONDS
        self.instead = None
        self.underway_max = Counter()
        self.tokens_used = []
        for account in self.accounts:
            self.grants[account] = grant

    @property
    def tokens(self):
        """What the simulator knows of the account's tokens."""
        return self.simulator.grants("acme")

    def zendesk(self, account):
        return Watched(self, account)

    def authorize(self):
        """A person authorizes the client anew: the configured refresh token is the one that comes of it."""
        pair = self.tokens.first_pair(self.clock.now(), self.simulator.scenario.oauth)
        self.grants["acme"] = RefreshToken(client_id="relay", client_secret=SECRET, refresh_token=pair["refresh_token"])

    @property
    def record(self):
        """The pair in the ledger, as it is durable."""
        value = self.ledger._marks.get(f"{TOKEN_MARK}acme")
        return None if value is None else decode_record(value)

    def used(self, account, access_token):
        self.tokens_used.append(access_token)
        if isinstance(self.grants[account], RefreshToken):
            assert self.record is not None
            assert self.record.access_token == access_token, "a token is durable before it is used"

    def requests_for(self, call):
        return [request for request in self.simulator.requests if request.call is call]

    @property
    def renewals(self):
        return [request.at - self.clock.now() + self.clock.monotonic() for request in self.requests_for(Call.TOKEN)]

    def statuses(self, status):
        return [request for request in self.simulator.requests if request.status == status]

    def assert_nothing_given_away(self):
        text = repr(self.log.entries)
        secrets = [SECRET, *self.tokens._access, *self.tokens._refresh]
        assert not [secret for secret in secrets if secret in text]


def test_a_token_is_got_first_and_serves_all_polls():
    async def main():
        world = Signing()
        async with world.relay() as shard:
            await asyncio.sleep(60)
            assert not world.simulator.requests, "nobody asks for a token that nothing needs"
            ids = world.start_jobs(100)
            await shard.track(world.requests(ids))
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))
        assert [request.call for request in world.simulator.requests].index(Call.TOKEN) == 0
        assert len(world.requests_for(Call.TOKEN)) == 1
        assert not world.statuses(401)
        assert not world.log.paused()
        world.assert_nothing_given_away()

    run(main())


@pytest.mark.parametrize("kind", ["client", "refresh"])
def test_a_token_is_renewed_ahead_and_no_poll_is_ever_refused(kind):
    async def main():
        world = Signing()
        if kind == "refresh":
            world.authorize()
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(3, fate="stuck")))
            await asyncio.sleep(4 * 3_600)
        gaps = [later - earlier for earlier, later in pairwise(world.renewals)]
        assert len(gaps) > 8
        assert all(1_430 < gap < 1_700 for gap in gaps), gaps
        assert not world.statuses(401)
        assert not world.log.paused()

    run(main())


@pytest.mark.parametrize("kind", ["client", "refresh"])
def test_a_401_in_mid_poll_renews_once_and_repeats_at_once(kind):
    """Several requests are in flight when their token dies: all are repeated, none counts against its jobs."""

    async def main():
        world = Signing(scenario=combine(SCENARIOS["slow"], SCENARIOS["issued-tokens"]))
        world.round_trip_seconds = 2.0
        world.rate = Rate(max_requests_per_minute=600, reserve=0, share=1)
        if kind == "refresh":
            world.authorize()
        async with world.relay() as shard:
            ids = world.start_jobs(1_500)
            await shard.track(world.requests(ids))
            await asyncio.sleep(15)
            assert world.underway_max["get"] > 3
            assert len(world.renewals) == 1
            world.tokens.expire()
            await asyncio.sleep(30)
            assert len(world.renewals) == 2
            refused = world.statuses(401)
            assert len(refused) > 3
            assert all(request.ids == 100 for request in refused)
            taken = [request.at for request in world.statuses(200) if request.call is Call.SHOW_MANY]
            back_at = min(at for at in taken if at > refused[-1].at)
            assert back_at - refused[0].at < 6, "a round trip for the 401, one for the token, and the gaps"
        assert not world.log.paused()
        assert not world.requests_for(Call.SHOW), "nobody was taken for missing"

    run(main())


def test_what_a_dead_token_has_turned_away_does_not_wait_for_its_next_turn():
    """Looks are far apart here: the one that was refused is made up for within three gaps."""

    async def main():
        world = Signing()
        world.polling = Polling(fresh_within_seconds=60)
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(20, fate="stuck")))
            await asyncio.sleep(200)
            world.tokens.expire()
            await asyncio.sleep(400)
        polls = world.requests_for(Call.SHOW_MANY)
        (refused,) = [index for index, poll in enumerate(polls) if poll.status == 401]
        before, struck, repeated, after = polls[refused - 1 : refused + 3]
        assert struck.at - before.at > 10
        assert repeated.at - struck.at < 3.5
        assert after.at - repeated.at > 10
        assert struck.ids == repeated.ids == 20

    run(main())


@pytest.mark.parametrize("kind", ["client", "refresh"])
@pytest.mark.parametrize("trouble", ["calm", "flaky"])
def test_tokens_that_die_early_cost_time_only(kind, trouble):
    async def main():
        world = Signing(scenario=combine(ISSUED, SCENARIOS["expiring-tokens"], SCENARIOS[trouble]))
        if kind == "refresh":
            world.authorize()
        async with world.relay() as shard:
            ids = world.start_jobs(200)
            await shard.track(world.requests(ids))
            await until_ended(world, ending(world, ids))
            await asyncio.sleep(600)
        assert_told_right(world, ending(world, ids))
        assert len(world.renewals) > 3
        assert trouble == "flaky" or not world.log.paused()
        world.assert_nothing_given_away()

    run(main())


def test_token_calls_keep_the_spacing_across_crashes_too():
    async def main():
        world = Signing(scenario=combine(ISSUED, SCENARIOS["expiring-tokens"]), accounts=("acme", "other"))
        world.rate = Rate(max_requests_per_minute=30)
        for number in range(12):
            async with world.relay(crash=True) as shard:
                for account in world.accounts:
                    await shard.track(world.requests(world.start_jobs(5, account=account), account))
                await asyncio.sleep(1.0 + 7 * number)
        for account in world.accounts:
            requests = [request for request in world.simulator.requests if request.account == account]
            assert sum(request.call is Call.TOKEN for request in requests) >= 12
            assert min(b.at - a.at for a, b in pairwise(requests)) >= 2.0 - 1e-6

    run(main())


@pytest.mark.parametrize("kind", ["client", "refresh"])
def test_a_revoked_client_pauses_the_account_says_so_once_and_resumes_by_itself(kind):
    async def main():
        world = Signing()
        if kind == "refresh":
            world.authorize()
        async with world.relay() as shard:
            ids = world.start_jobs(30, work_seconds=3_600.0)
            await shard.track(world.requests(ids))
            await asyncio.sleep(60)
            world.tokens.revoked = True
            asked = len(world.simulator.requests)
            await asyncio.sleep(1_200)
            assert [one.trouble for one in await shard.standing()] == [Reason.UNAUTHORIZED]
            assert len(world.simulator.requests) - asked < 20, "asked ever more rarely"
            world.tokens.revoked = False
            await asyncio.sleep(310)
            assert [one.trouble for one in await shard.standing()] == [None]
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))
        assert world.log.paused() == [Reason.UNAUTHORIZED]
        assert [entry["was"] for entry in world.log.of("account.resumed")] == [Reason.UNAUTHORIZED]
        assert "check client_id and client_secret" in world.log.of("account.paused")[0]["detail"]
        world.assert_nothing_given_away()

    run(main())


def test_a_token_fresh_from_the_endpoint_that_is_not_taken_is_a_denial_and_each_retry_gets_another():
    async def main():
        world = Signing(scenario=SCENARIOS["slow"])
        world.simulator.scenario = combine(SCENARIOS["slow"], SCENARIOS["unauthorized"])
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(5)))
            await asyncio.sleep(120)
        refused = world.statuses(401)
        assert world.log.paused() == [Reason.UNAUTHORIZED]
        assert len(world.log.of("account.resumed")) == 1
        assert 2 <= len(refused) <= 4
        assert len(world.renewals) == len(refused) + 1

    run(main())


@pytest.mark.parametrize(
    "instead",
    [
        Response(status=503, headers={}, body=b"maintenance"),
        Response(status=401, headers={}, body=b'{"error":"invalid_client"}'),
        NoResponse(reason=Reason.TIMEOUT, detail="timeout"),
    ],
)
def test_while_a_token_is_good_trouble_of_its_endpoint_is_no_trouble(instead):
    async def main():
        world = Signing()
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(3, fate="stuck")))
            await asyncio.sleep(1_400)
            world.instead = instead
            await asyncio.sleep(300)
            polls = [request for request in world.simulator.requests if request.at > world.clock.now() - 250]
            assert len(polls) > 3
            assert not world.log.paused()
            assert 1 <= len(world.log.of("token.not_renewed")) <= 8
            world.instead = None
            await asyncio.sleep(200)
            assert len(world.renewals) == 2
        assert not world.log.paused()
        assert not world.statuses(401)

    run(main())


def test_without_a_good_token_an_outage_of_the_endpoint_is_backed_off_and_told():
    async def main():
        world = Signing()
        world.instead = Response(status=502, headers={}, body=b"<html>")
        async with world.relay() as shard:
            ids = world.start_jobs(5)
            await shard.track(world.requests(ids))
            await asyncio.sleep(600)
            assert [one.trouble for one in await shard.standing()] == [Reason.SERVER_ERROR]
            world.instead = None
            await until_ended(world, ending(world, ids))
        assert world.log.paused() == [Reason.SERVER_ERROR]
        assert len(world.log.of("account.resumed")) == 1

    run(main())


def test_a_retry_after_of_the_token_endpoint_holds_for_the_account_and_across_a_crash():
    async def main():
        world = Signing()
        async with world.relay(crash=True) as shard:
            await shard.track(world.requests(world.start_jobs(3, fate="stuck")))
            await asyncio.sleep(1_400)
            world.instead = Response(status=429, headers={"retry-after": "300"}, body=b"")
            await asyncio.sleep(120)
            assert world.log.paused() == [Reason.RATE_LIMITED]
            asked = len(world.simulator.requests)
        world.instead = None
        async with world.relay():
            await asyncio.sleep(200)
            assert len(world.simulator.requests) == asked
            await asyncio.sleep(150)
            assert len(world.simulator.requests) > asked

    run(main())


def test_a_restart_uses_up_no_refresh_token():
    async def main():
        world = Signing()
        world.authorize()
        ids = world.start_jobs(10, work_seconds=600.0)
        for _ in range(6):
            async with world.relay(crash=True) as shard:
                await shard.track(world.requests(ids))
                await asyncio.sleep(30)
        assert len(world.renewals) == 1
        assert len(set(world.tokens_used)) == 1
        assert not world.statuses(401)

    run(main())


def test_a_refresh_token_that_is_configured_anew_starts_a_new_line():
    async def main():
        world = Signing()
        world.authorize()
        ids = world.start_jobs(10, work_seconds=600.0)
        lines = []
        for _ in range(2):
            async with world.relay(crash=True) as shard:
                await shard.track(world.requests(ids))
                await asyncio.sleep(30)
            lines.append(world.record.descends_from)
            world.authorize()
        assert len(world.renewals) == 2
        assert len(set(lines)) == 2

    run(main())


def test_a_pair_that_cannot_be_recorded_is_not_used_and_not_asked_for_again():
    """The disk is full when the rotated pair comes: it is kept in memory until it is durable."""

    async def main():
        world = Signing()
        world.authorize()
        async with world.relay() as shard:
            ids = world.start_jobs(5)
            await shard.track(world.requests(ids))
            start = world.clock.monotonic()
            world.ledger.outages = [(start, start + 120)]
            await asyncio.sleep(119)
            assert len(world.renewals) == 1
            assert not world.tokens_used
            await until_ended(world, ending(world, ids))
        assert len(world.renewals) == 1
        assert_told_right(world, ending(world, ids))

    run(main())


def test_a_drain_waits_for_the_pair_that_is_underway():
    """Zendesk has killed the old pair by then."""
    rotated_at = rotations()[0]

    async def main():
        world = Signing()
        world.authorize()
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(5)))
            await asyncio.sleep(rotated_at + 0.01 - world.clock.monotonic())
            assert len(world.renewals) == 1
            assert world.record is None
        assert world.record.refresh_token in living(world)

    run(main())


def living(world):
    """The refresh tokens that would be taken."""
    return [token for token, access in world.tokens._refresh.items() if access is not None]


def two_rotations():
    """A world, and a life in it: the refresh token rotates at the start, and when its access token dies."""
    world = Signing(scenario=Scenario(oauth=SCENARIOS["issued-tokens"].oauth))
    world.authorize()
    ids = world.start_jobs(3, work_seconds=120.0)

    async def live(shard, until):
        await shard.track(world.requests(ids))
        if until > 20:
            await asyncio.sleep(20 - world.clock.monotonic())
            world.tokens.expire()
        await asyncio.sleep(until - world.clock.monotonic())

    return world, ids, live


def rotations():
    """When Zendesk rotates, in a life that nobody ends."""

    async def main():
        world, _, live = two_rotations()
        async with world.relay() as shard:
            await live(shard, until=40)
            return world.renewals

    return run(main())


async def survives(moment):
    """Whether a kill at this moment leaves a refresh token that works; either way all ends well."""
    world, ids, live = two_rotations()
    async with world.relay(crash=True) as shard:
        await live(shard, until=moment)
    durable = world.grants["acme"].refresh_token if world.record is None else world.record.refresh_token
    works = durable in living(world)
    if not works:
        async with world.relay(crash=True):
            await asyncio.sleep(60)
        assert world.log.paused() == [Reason.UNAUTHORIZED]
        assert world.log.of("account.paused")[0]["detail"].endswith("configure a new one")
        world.authorize()
    async with world.relay():
        await until_ended(world, ids)
    assert_told_right(world, ids)
    assert bool(world.log.paused()) is not works
    world.assert_nothing_given_away()
    return works


@pytest.mark.parametrize("number", [0, 1])
def test_a_crash_loses_no_pair_but_between_zendesks_rotation_and_our_commit(number):
    """Killed every other millisecond from before the request until after the first use of its token. What a kill in
    the one window costs is told, and cured by a new refresh token; it is half a round trip and one commit long.
    """
    rotated_at = rotations()[number]
    steps = [*range(-71, 79, 2), *range(79, 1_200, 59)]
    fates = {step: run(survives(rotated_at + step / 1_000)) for step in steps}
    lost = [step for step, works in fates.items() if not works]
    assert lost
    assert min(lost) > 0
    assert max(lost) < 1_000 * (ROUND_TRIP_SECONDS / 2 + COMMIT_SECONDS)
