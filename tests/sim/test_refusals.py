"""What a job that Zendesk stumbles over, a lower batch limit and an outage cost: requests counted in virtual time."""

import asyncio
from collections.abc import Callable, Collection
from typing import NamedTuple

import pytest
from sim.virtual import run
from sim.world import ModelZendesk, World, data_of

from relay.core.pacing import Rate
from relay.core.zendesk import Endpoint, NoResponse, Request, Response
from relay.shard import Shard
from relay.shard.ports import Polling
from relay.simulator import SCENARIOS, Scenario, combine
from relay.simulator.faults import Maintenance, Window
from relay.simulator.scenario import LookUps

HOUR, DAY = 3_600.0, 86_400.0
OUTAGE_SECONDS = 600.0
BACK_OFF_REQUESTS = 20  # in ten minutes, doubling from one second to one minute, of which up to half is left to chance
PAGE = Response(status=500, headers={}, body=b"<html>Something went wrong</html>")
REFUSAL = Response(status=422, headers={}, body=b'{"error":"RecordInvalid"}')
MALFORMED = Response(status=400, headers={}, body=b"Bad Request")
DENIAL = Response(status=403, headers={}, body=b'{"error":{"title":"Forbidden"}}')
UNAVAILABLE = Response(status=503, headers={}, body=b"")


Answer = Callable[[Request, float], Response | None]  # None: as the model does


class Asked(NamedTuple):
    """Monotonic seconds; `status` None: no answer came."""

    at: float
    endpoint: Endpoint
    ids: tuple[str, ...]
    status: int | None


class Odd(ModelZendesk):
    """The model, but for what `answer` says; `asked` remembers everything."""

    def __init__(self, world: World, answer: Answer) -> None:
        super().__init__(world.simulator, "acme", world.clock)
        self._answer_oddly = answer
        self.asked: list[Asked] = []

    async def get(self, request: Request) -> Response | NoResponse:
        at = self._clock.monotonic()
        response = self._answer_oddly(request, at) or await super().get(request)
        status = response.status if isinstance(response, Response) else None
        self.asked.append(Asked(at, request.endpoint, tuple(request.ids), status))
        return response

    def refused(self, since: float = 0.0) -> list[Asked]:
        return [asked for asked in self.asked if asked.status != 200 and asked.at >= since]


def as_the_model(_request: Request, _at: float) -> None:
    return None


def world_with(answer: Answer = as_the_model, **look_ups: object) -> tuple[World, Odd]:
    world = World(scenario=combine(SCENARIOS["slow"], Scenario(look_ups=LookUps(**look_ups))))
    zendesk = Odd(world, answer)
    world.zendesk = lambda _: zendesk  # type: ignore[method-assign]
    return world, zendesk


def endless(world: World, count: int) -> list[str]:
    """Jobs that stay queued for as long as anybody looks."""
    return world.start_jobs(count, queue_seconds=1e7)


async def seen(world: World, shard: Shard, ids: Collection[str], within: float) -> None:
    """Until all of them have been seen."""
    for _ in range(int(within)):
        await asyncio.sleep(1.0)
        if all(shard.live.get(one.key).job.job_status is not None for one in world.requests(ids)):
            return
    pytest.fail(f"not all of {len(ids)} jobs were seen within {within} seconds")


def spoils(bad: Collection[str], response: Response, *, everywhere: bool) -> Answer:
    """Every request for many that names a bad one is answered like this; `everywhere`: so is one for itself."""

    def answer(request: Request, _: float) -> Response | None:
        named = not set(bad).isdisjoint(request.ids)
        return response if named and (everywhere or request.endpoint is Endpoint.SHOW_MANY) else None

    return answer


@pytest.mark.parametrize(
    ("response", "everywhere", "seconds", "requests"),
    [
        (REFUSAL, False, 20, 15),
        (REFUSAL, True, 20, 15),
        (PAGE, False, 25, 18),
        (PAGE, True, 25, 18),
        (DENIAL, False, 90, 18),
    ],
)
def test_of_a_hundred_jobs_only_the_one_that_zendesk_stumbles_over_suffers(
    response: Response, everywhere: bool, seconds: float, requests: int
) -> None:
    """The others are seen soon, at the price of a few requests; from then on it is asked about seldom, and alone."""

    async def main() -> None:
        bad: list[str] = []
        world, zendesk = world_with(spoils(bad, response, everywhere=everywhere))
        ids = endless(world, 100)
        bad.append(ids[37])
        async with world.relay() as shard:
            await shard.track(world.requests(ids))
            await seen(world, shard, set(ids) - set(bad), within=seconds)
            assert len(zendesk.asked) <= requests
            await asyncio.sleep(10.0)
            since = world.clock.monotonic()
            await asyncio.sleep(600.0)
            assert [one.trouble for one in await shard.standing()] == [None]
            assert {asked.ids for asked in zendesk.refused(since)} <= {tuple(bad)}
            assert len([asked for asked in zendesk.asked if asked.at > since and asked.ids == tuple(bad)]) <= 22
            assert (shard.live.get(world.requests(bad)[0].key).job.job_status is None) is everywhere
            assert shard.poller.posts["acme"].roster.limit.ids_max == 100, "one bad id says nothing of the size"
        assert world.log.logged.count("account.paused") <= 1
        assert world.log.logged.count("job.isolated") == 1

    run(main())


def test_one_that_silences_its_account_each_time_it_is_asked_about_does_so_seldom() -> None:
    """503 with a Retry-After, as for a timeout of the database: it holds for everybody."""

    async def main() -> None:
        bad: list[str] = []
        silence = Response(status=503, headers={"retry-after": "60"}, body=b"")
        world, zendesk = world_with(spoils(bad, silence, everywhere=True))
        ids = endless(world, 30)
        bad.append(ids[0])
        async with world.relay() as shard:
            await shard.track(world.requests(ids))
            await seen(world, shard, set(ids) - set(bad), within=900)
            since = world.clock.monotonic() + 100.0
            await asyncio.sleep(4 * HOUR)
        assert len(zendesk.refused(since)) * 60.0 <= 0.06 * 4 * HOUR
        assert sum(len(asked.ids) == 29 for asked in zendesk.asked if asked.at > since) > 600

    run(main())


def test_the_only_job_of_an_account_is_seen_though_show_many_breaks_on_it() -> None:
    async def main() -> None:
        world, zendesk = world_with(lambda request, _: PAGE if request.endpoint is Endpoint.SHOW_MANY else None)
        async with world.relay() as shard:
            ids = endless(world, 1)
            await shard.track(world.requests(ids))
            await seen(world, shard, ids, within=15)
            await asyncio.sleep(600.0)
        assert len(zendesk.asked) < 30
        assert world.log.logged.count("account.paused") == 1

    run(main())


def test_a_job_that_nobody_can_be_told_of_expires_after_a_day_at_the_price_of_few_requests() -> None:
    async def main() -> None:
        bad: list[str] = []
        world, zendesk = world_with(spoils(bad, PAGE, everywhere=True))
        bad += endless(world, 1)
        good = world.start_jobs(1, fate="succeeded", queue_seconds=10.0, work_seconds=10.0)
        async with world.relay() as shard:
            await shard.track(world.requests([*bad, *good]))
            await asyncio.sleep(DAY + 60.0)
        final = {event.subject: event for event in world.receivers["final"].taken}
        assert final[good[0]].type == "zendesk.job.completed"
        assert final[bad[0]].type == "zendesk.job.expired"
        assert data_of(final[bad[0]])["reason"] == "age_limit"
        assert 200 < len(zendesk.asked) < 350, "every five minutes"

    run(main())


def test_one_that_zendesk_takes_again_shares_requests_again() -> None:
    """Broken for ten minutes: within as many more it is one of a hundred."""

    async def main() -> None:
        bad: list[str] = []
        world, zendesk = world_with(
            lambda request, at: spoils(bad, PAGE, everywhere=True)(request, at) if at < 600 else None
        )
        ids = endless(world, 100)
        bad.append(ids[0])
        async with world.relay() as shard:
            await shard.track(world.requests(ids))
            await asyncio.sleep(3_600.0)
        assert not zendesk.refused(since=1_000.0)
        assert all(len(asked.ids) == 100 for asked in zendesk.asked if asked.at > 2_000.0)

    run(main())


@pytest.mark.parametrize("count", [1, 30, 100, 1_000])
def test_an_outage_costs_no_more_requests_than_its_back_off_grants(count: int) -> None:
    """However many jobs there are; and when it is over, the requests are as full as before."""

    async def main() -> None:
        outage = Maintenance(window=Window(after_seconds=60.0, for_seconds=OUTAGE_SECONDS))
        world, zendesk = world_with()
        world.simulator.scenario = combine(world.simulator.scenario, Scenario(faults=(outage,)))
        async with world.relay() as shard:
            await shard.track(world.requests(endless(world, count)))
            await asyncio.sleep(60.0 + OUTAGE_SECONDS + 60.0)
            back_at = min(asked.at for asked in zendesk.asked if asked.at > 600.0 and asked.status == 200)
            await asyncio.sleep(120.0)
        assert len(zendesk.refused()) <= BACK_OFF_REQUESTS
        after = [len(asked.ids) for asked in zendesk.asked if back_at <= asked.at < back_at + 60.0]
        assert sum(size < min(count, 100) for size in after) <= 2 + len(after) // 5
        assert world.log.logged.count("account.paused") == 1
        assert world.log.logged.count("account.resumed") == 1
        assert "job.isolated" not in world.log.logged

    run(main())


@pytest.mark.parametrize("response", [MALFORMED, DENIAL])
def test_where_everything_is_refused_nobody_is_at_fault(response: Response) -> None:
    """Somebody stands between relay and Zendesk for ten minutes: that costs what an outage costs, and a search."""

    async def main() -> None:
        world, zendesk = world_with(lambda _, at: response if 60.0 <= at < 660.0 else None)
        async with world.relay() as shard:
            await shard.track(world.requests(endless(world, 100)))
            await asyncio.sleep(600.0)
            assert [one.trouble for one in await shard.standing()] != [None]
            await asyncio.sleep(500.0)
            assert [one.trouble for one in await shard.standing()] == [None]
        assert len(zendesk.refused()) <= BACK_OFF_REQUESTS + 16
        assert "job.isolated" not in world.log.logged

    run(main())


def test_where_zendesk_refuses_every_job_there_is_each_is_lost_after_the_grace_time() -> None:
    """Ids of something else, handed in by mistake: refused as a request for many, unknown by themselves."""

    async def main() -> None:
        world, zendesk = world_with(lambda request, _: REFUSAL if request.endpoint is Endpoint.SHOW_MANY else None)
        async with world.relay() as shard:
            await shard.track(world.requests([f"order-{number}" for number in range(50)]))
            await asyncio.sleep(2 * HOUR)
        assert [event.type for event in world.receivers["final"].taken] == ["zendesk.job.lost"] * 50
        assert len(zendesk.asked) < 50 * 20

    run(main())


def test_while_show_many_alone_is_down_no_more_is_asked_than_in_an_outage_and_a_look_at_one_job_for_each() -> None:
    async def main() -> None:
        world, zendesk = world_with(
            lambda request, at: PAGE if request.endpoint is Endpoint.SHOW_MANY and 60.0 <= at < 660.0 else None
        )
        async with world.relay() as shard:
            ids = endless(world, 100)
            await shard.track(world.requests(ids))
            await asyncio.sleep(660.0)
            during = [asked for asked in zendesk.asked if asked.at >= 60.0]
            assert len(during) <= 3 * BACK_OFF_REQUESTS
            await seen(world, shard, ids, within=60)
        assert world.log.logged.count("account.paused") <= 2

    run(main())


class TestBatchLimit:
    def test_what_zendesk_takes_is_learned_from_one_refusal_and_tried_again_each_hour(self) -> None:
        async def main() -> None:
            world, zendesk = world_with(ids_max=40)
            world.rate = Rate(max_requests_per_minute=20)
            async with world.relay() as shard:
                ids = endless(world, 300)
                await shard.track(world.requests(ids))
                await seen(world, shard, ids, within=32)
                await asyncio.sleep(2 * HOUR)
            refused = zendesk.refused()
            assert len(refused) == 3, "the first, and one an hour"
            assert refused[0].at < 5.0
            assert [len(asked.ids) for asked in refused[1:]] == [80, 80]
            assert world.log.logged.count("account.batch_limit") == 1

        run(main())

    @pytest.mark.parametrize("look_ups", [{"ids_max": 40, "ids_max_told": False}, {"target_bytes_max": 600}])
    def test_where_zendesk_does_not_say_it_is_learned_from_what_is_taken_in_parts(self, look_ups: dict) -> None:
        async def main() -> None:
            world, zendesk = world_with(**look_ups)
            async with world.relay() as shard:
                ids = endless(world, 100)
                await shard.track(world.requests(ids))
                await asyncio.sleep(HOUR)
                assert 10 <= shard.poller.posts["acme"].roster.limit.ids_max <= 40
                assert not any(watch.apart for watch in shard.live.of("acme"))
            assert len(zendesk.refused()) <= 16
            assert not zendesk.refused(since=60.0)

        run(main())

    def test_it_rises_again_with_what_zendesk_takes(self) -> None:
        async def main() -> None:
            world, zendesk = world_with(ids_max=20)
            world.rate = Rate(max_requests_per_minute=20)
            async with world.relay() as shard:
                await shard.track(world.requests(endless(world, 300)))
                await asyncio.sleep(600.0)
                world.simulator.scenario = SCENARIOS["slow"]
                await asyncio.sleep(HOUR)
                assert shard.poller.posts["acme"].roster.limit.ids_max == 100
            assert max(len(asked.ids) for asked in zendesk.asked if asked.at > HOUR) == 100
            assert not zendesk.refused(since=600.0)

        run(main())

    def test_an_outage_lowers_nothing(self) -> None:
        async def main() -> None:
            world, _ = world_with(lambda _, at: UNAVAILABLE if at % 300.0 > 200.0 else None)
            async with world.relay() as shard:
                await shard.track(world.requests(endless(world, 300)))
                for _ in range(60):
                    await asyncio.sleep(60.0)
                    assert shard.poller.posts["acme"].roster.limit.ids_max == 100

        run(main())


class TestUnknownIds:
    """Where show_many as a whole answers 404 for one id that Zendesk does not know."""

    def test_one_costs_a_few_requests_until_it_is_lost_and_nobody_else_notices(self) -> None:
        async def main() -> None:
            world, zendesk = world_with(refuse_unknown=True)
            async with world.relay() as shard:
                ids = endless(world, 99)
                await shard.track(world.requests([*ids, "V3-never"]))
                await seen(world, shard, ids, within=15)
                assert len(zendesk.asked) <= 16
                isolated_at = world.clock.monotonic()
                await asyncio.sleep(600.0)
                apart = [asked for asked in zendesk.asked if asked.at > isolated_at and asked.ids == ("V3-never",)]
                assert len(apart) <= 11
                assert {asked.ids for asked in zendesk.refused(since=isolated_at)} == {("V3-never",)}
            (lost,) = world.receivers["final"].taken
            assert (lost.subject, lost.type) == ("V3-never", "zendesk.job.lost")
            assert 300.0 < world.when(data_of(lost)["detected_at"]) - world.when(data_of(lost)["tracked_at"]) < 330.0

        run(main())

    def test_thirty_among_three_hundred_cost_about_ten_requests_each(self) -> None:
        async def main() -> None:
            world, zendesk = world_with(refuse_unknown=True)
            async with world.relay() as shard:
                ids = [*endless(world, 270), *(f"V3-{number:032x}" for number in range(30))]
                world.random.shuffle(ids)
                await shard.track(world.requests(ids))
                await asyncio.sleep(1_200.0)
            assert {event.type for event in world.receivers["final"].taken} == {"zendesk.job.lost"}
            assert len(world.receivers["final"].taken) == 30
            assert len(zendesk.refused()) < 30 * 13

        run(main())

    def test_a_fresh_one_that_turns_up_shares_requests_from_then_on(self) -> None:
        async def main() -> None:
            world, zendesk = world_with(refuse_unknown=True)
            async with world.relay() as shard:
                ids = endless(world, 50)
                await shard.track(world.requests(ids))
                await asyncio.sleep(30.0)
                world.simulator.scenario = combine(
                    world.simulator.scenario, SCENARIOS["fresh-404"], SCENARIOS["unknown-404"]
                )
                fresh = endless(world, 1)
                await shard.track(world.requests(fresh))
                await seen(world, shard, fresh, within=40)
                since = world.clock.monotonic()
                await asyncio.sleep(120.0)
            assert not zendesk.refused(since)
            assert {len(asked.ids) for asked in zendesk.asked if asked.at > since + 60.0} == {51}

        run(main())


def test_a_grace_time_that_an_outage_takes_up_proves_nothing() -> None:
    """A fresh job is not found, then nothing works for as long as the grace lasts, and after that Zendesk is behind."""

    async def main() -> None:
        def answer(request: Request, at: float) -> Response | None:
            if 10.0 <= at < 400.0:
                return UNAVAILABLE
            if at < 450.0:
                empty = Response(status=200, headers={}, body=b'{"job_statuses":[]}')
                gone = Response(status=404, headers={}, body=b'{"error":"RecordNotFound"}')
                return empty if request.endpoint is Endpoint.SHOW_MANY else gone
            return None

        world, _ = world_with(answer)
        world.polling = Polling(lost_after_seconds=300.0)
        async with world.relay() as shard:
            ids = world.start_jobs(1, fate="succeeded", queue_seconds=500.0, work_seconds=10.0)
            await shard.track(world.requests(ids))
            await asyncio.sleep(900.0)
        assert [event.type for event in world.receivers["final"].taken] == ["zendesk.job.completed"]

    run(main())
