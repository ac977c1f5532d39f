"""Whatever stands in Zendesk's place for an hour, no job is given up that is there, and no exception escapes."""

import asyncio
from dataclasses import replace
from random import Random

import orjson
import pytest
from sim.judging import assert_spaced, assert_told_once_and_right, assert_waits_are_kept
from sim.virtual import run
from sim.world import ModelZendesk, World

from relay.core.zendesk import Endpoint, NoResponse, Request, Response
from relay.errors import Reason
from relay.shard.ports import Polling
from relay.simulator import SCENARIOS, Scenario, combine

HOUR = 3_600.0
BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"Not Found",
    b"<html>",
    b'{"error":"Not Found"}',
    b'{"error":"InvalidEndpoint","description":"Not found"}',
    b'{"error":"TooManyValues","max_count":%d}',
    b'{"job_statuses":null}',
    b'{"job_statuses":[],"count":7}',
    b'{"job_statuses":[],"next_page":"https://acme.test/2"}',
    b'{"job_statuses":[],"error":"DatabaseError"}',
    b'{"job_statuses":[{"id":"V3-stranger","status":"completed"}]}',
    b'{"job_statuses":[null]}',
    b'{"job_status":{"id":"V3-stranger","status":"failed"}}',
)
STATUSES = (200, 202, 204, 206, 301, 400, 401, 403, 404, 410, 413, 414, 418, 422, 429, 500, 502, 503, 520, 524)
HEADERS = (
    {},
    {},
    {"retry-after": "3"},
    {"ratelimit-remaining": "0", "ratelimit-limit": "700"},
)
NOTHING = (Reason.TIMEOUT, Reason.RESET, Reason.DNS, Reason.CONNECT, Reason.TLS, Reason.UNREADABLE)


class Chaotic(ModelZendesk):
    """Says anything but that a job is not there, which only the model may. `share`: of replies that are not its."""

    def __init__(self, world: World, chance: Random, share: float) -> None:
        super().__init__(world.simulator, "acme", world.clock, log=world.exchanges)
        self._chance, self._share = chance, share

    async def get(self, request: Request) -> Response | NoResponse:
        answer = await super().get(request)
        if self._clock.monotonic() > HOUR or self._chance.random() >= self._share:
            return answer
        odd = self._odd(request, answer)
        status, headers = (odd.status, odd.headers) if isinstance(odd, Response) else (None, {})
        self._log[-1] = replace(self._log[-1], status=status, headers=headers)
        return odd

    def _odd(self, request: Request, answer: Response | NoResponse) -> Response | NoResponse:
        chance = self._chance
        match chance.randrange(4):
            case 0:
                return NoResponse(reason=chance.choice(NOTHING), detail="nothing")
            case 1 if isinstance(answer, Response):
                cut = chance.randrange(len(answer.body) or 1)
                return Response(status=answer.status, headers=answer.headers, body=answer.body[:cut])
            case 2 if isinstance(answer, Response) and request.endpoint is Endpoint.SHOW_MANY:
                return self._in_part(answer)
            case _:
                body = chance.choice(BODIES)
                body = body % chance.randint(0, 120) if b"%d" in body else body
                return Response(status=chance.choice(STATUSES), headers=chance.choice(HEADERS), body=body)

    def _in_part(self, answer: Response) -> Response:
        """Some of what was asked for, with a sign that it is not all."""
        try:
            told = orjson.loads(answer.body)["job_statuses"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return answer
        some = self._chance.sample(told, self._chance.randint(0, len(told)))
        sign = self._chance.choice(({"count": len(told) + 1}, {"meta": {"has_more": True}}, {"errors": ["timeout"]}))
        return Response(status=200, headers=answer.headers, body=orjson.dumps({"job_statuses": some} | sign))


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_job_is_given_up_that_is_there(seed: int, share: float) -> None:
    """Though the grace time is a minute, and for an hour hardly a reply is Zendesk's; and all of it keeps the pace."""

    async def main() -> None:
        chance = Random(f"chaos {seed} {share}")
        slow = combine(SCENARIOS["mixed"], Scenario(requests_per_minute=100_000))
        world = World(seed=seed, scenario=slow)
        world.polling = Polling(lost_after_seconds=60.0)
        zendesk = Chaotic(world, chance, share)
        world.zendesk = lambda _: zendesk  # type: ignore[method-assign]
        async with world.relay() as shard:
            ids = world.start_jobs(chance.choice((1, 7, 120)))
            await shard.track(world.requests(ids))
            await asyncio.sleep(2 * HOUR)
            truth = world.truth()
            open_ids = [job_id for job_id in ids if truth[job_id]["status"] is None]
            assert shard.live.size("acme") == len(open_ids)
            assert [one.trouble for one in await shard.standing()] == [None] or not open_ids
        ended = [job_id for job_id in ids if job_id not in open_ids]
        assert_told_once_and_right(world, ended, shut_for_hours=False)
        assert not {"lost", "expired"} & {event.type.rpartition(".")[2] for event in world.receivers["final"].taken}
        assert_spaced(world.exchanges, world.rate)
        assert_waits_are_kept(world.exchanges)

    run(main())
