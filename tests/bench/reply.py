"""A reply to show_many in which nothing is new: what the poll loop does with it, beside parsing its bytes."""

import time
from collections.abc import Callable, Iterator
from random import Random
from statistics import median
from typing import Any

import orjson
from bench.samples import job_status
from bench.table import Measurement

from relay.core.job import Job
from relay.core.observe import Rules, observe
from relay.core.pacing import Rate
from relay.core.sighting import sight
from relay.core.watch import Watch
from relay.core.zendesk import Response, decipher
from relay.ops.metrics import Metrics
from relay.shard.live import Live
from relay.shard.poller import News, Poller
from relay.shard.ports import Account, Polling, Settings, Surroundings
from relay.shard.writer import Writer

JOBS, ROUNDS = 100, 2_000
AT_MOST = 4.0
HEADERS = {"content-type": "application/json; charset=utf-8", "ratelimit-limit": "700", "ratelimit-remaining": "650"}


class Now:
    """A clock that is set."""

    moment = 1_000.0

    def now(self) -> float:
        return self.moment

    monotonic = now


def nothing_new() -> Measurement:
    statuses = [job_status(number, progress=number % 100) for number in range(JOBS)]
    body = orjson.dumps({"job_statuses": statuses, "count": JOBS})
    clock = Now()
    poller = idle_poller(clock)
    response = Response(status=200, headers=HEADERS, body=body)
    poller.add(watches(statuses, clock.now()))
    applied, parsed = [], []
    for _ in range(ROUNDS):
        clock.moment += 60.0
        applied.append(seconds(answered(poller, response, clock)))
        parsed.append(seconds(lambda: orjson.loads(body)))
    return Measurement(
        what=f"apply a reply of {JOBS} jobs, nothing new; floor: orjson.loads",
        unit="µs",
        ours=median(applied) * 1e6,
        floor=median(parsed) * 1e6,
        ratio=median(ours / floor for ours, floor in zip(applied, parsed, strict=True)),
        at_most=AT_MOST,
    )


def idle_poller(clock: Now) -> Poller:
    unused: Any = None  # nothing is recorded or logged where nothing is new
    around = Surroundings(clock=clock, random=Random(0), metrics=Metrics(), log=unused, beat=unused)
    writer = Writer(recorder=unused, live=Live(), subscriptions=(), published=unused, source=str, surroundings=around)
    account = Account(name="acme", source="", rate=Rate(), polling=Polling(), zendesk=unused)
    settings = Settings(rules=Rules(), polling=Polling())
    return Poller(accounts=[account], writer=writer, settings=settings, surroundings=around, random=Random(0))


def watches(statuses: list[dict[str, Any]], now: float) -> Iterator[Watch]:
    for status in statuses:
        yield Watch(observe(Job(account="acme", id=status["id"], tracked_at=now), sight(status), now, Rules()))


def answered(poller: Poller, response: Response, clock: Now) -> Callable[[], None]:
    """What the poll loop does with a reply: decipher, compare, put every job back in its place."""
    post = poller.posts["acme"]
    poll = post.take(clock.now())
    assert poll is not None
    assert len(poll.watches) == JOBS
    request = poll.request
    return lambda: nothing_to_tell(poller.apply(post, poll, decipher(request, response, clock.now())))


def nothing_to_tell(news: News) -> None:
    assert not news.seen
    assert news.gone is None


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
