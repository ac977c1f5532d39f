"""What counts as proof that Zendesk does not know a job, and what a single odd reply may cost an account."""

import asyncio
from collections.abc import Callable

from sim.virtual import run
from sim.world import ModelZendesk, World

from relay.core.zendesk import Endpoint, NoResponse, Request, Response
from relay.shard.ports import Polling
from relay.simulator import SCENARIOS

NOWHERE = Response(status=404, headers={}, body=b"No help desk at acme.zendesk.com")
PLAIN_404 = Response(status=404, headers={}, body=b"404: Not Found")


class OddZendesk(ModelZendesk):
    """The model, but for what `odd` answers; `asked` remembers when what was asked."""

    def __init__(self, world: World, odd: Callable[[Request, float], Response | None]) -> None:
        super().__init__(world.simulator, "acme", world.clock)
        self._odd = odd
        self.asked: list[tuple[float, Endpoint]] = []

    async def get(self, request: Request) -> Response | NoResponse:
        now = self._clock.monotonic()
        self.asked.append((now, request.endpoint))
        return self._odd(request, now) or await super().get(request)


def odd_world(odd: Callable[[Request, float], Response | None]) -> tuple[World, OddZendesk]:
    world = World(scenario=SCENARIOS["slow"])
    world.polling = Polling(lost_after_seconds=30)
    zendesk = OddZendesk(world, odd)
    world.zendesk = lambda _: zendesk  # type: ignore[method-assign]
    return world, zendesk


def test_an_absence_may_be_confirmed_by_a_404_in_any_words() -> None:
    async def main() -> None:
        world, _ = odd_world(lambda request, _: PLAIN_404 if request.endpoint is Endpoint.SHOW else None)
        async with world.relay() as shard:
            await shard.track(world.requests(["V3-never"]))
            await asyncio.sleep(120)
            assert [one.trouble for one in await shard.standing()] == [None]
        assert [event.type for event in world.receivers["final"].taken] == ["zendesk.job.lost"]
        assert "account.paused" not in world.log.logged

    run(main())


def test_a_help_desk_that_is_gone_loses_no_job() -> None:
    """Every endpoint answers 404 as text: that says nothing of the jobs, however long it lasts."""

    async def main() -> None:
        world, _ = odd_world(lambda _, now: NOWHERE if now > 5 else None)
        async with world.relay() as shard:
            await shard.track(world.requests([*world.start_jobs(3, queue_seconds=1e6), "V3-never"]))
            await asyncio.sleep(3_600)
            assert [one.trouble for one in await shard.standing()] == ["unreadable"]
        assert world.receivers["final"].taken == []
        assert world.log.logged.count("account.paused") == 1

    run(main())


def test_a_retry_after_is_obeyed_whatever_it_comes_with() -> None:
    """Also with a reply that says yes, and with one that speaks of a job only."""
    for status, body in ((200, b'{"job_statuses":[]}'), (404, b'{"error":"RecordNotFound"}')):
        assert _silence_after(Response(status=status, headers={"retry-after": "50"}, body=body)) >= 50


def _silence_after(answer: Response) -> float:
    async def main() -> float:
        world, zendesk = odd_world(lambda _, now: answer if now < 10 else None)
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(1)))
            await asyncio.sleep(120)
        return zendesk.asked[1][0] - zendesk.asked[0][0]

    return run(main())


def test_staleness_grows_while_an_account_is_turned_away() -> None:
    """The first metric to watch must not be blind when the credentials are refused."""

    async def main() -> None:
        refused = Response(status=401, headers={}, body=b'{"error":"Couldn\'t authenticate you"}')
        world, _ = odd_world(lambda _, now: refused if now > 20 else None)
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(2, queue_seconds=1e6)))
            await asyncio.sleep(320)
            (standing,) = await shard.standing()
        assert standing.trouble == "unauthorized"
        assert standing.stale_seconds > 280

    run(main())
