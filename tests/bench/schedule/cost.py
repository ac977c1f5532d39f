"""What deciding costs: in an account with 20,000 live jobs, beside reading one reply, over many accounts."""

import gc
import time
from collections.abc import Callable
from random import Random
from statistics import median

import orjson
from bench.schedule.workloads import REPORTING

from relay.core.agenda import Agenda
from relay.core.job import Job
from relay.core.pacing import Pacer, Rate
from relay.core.schedule import Roster
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX, Endpoint, RateHeaders, Request, Response, decipher

JOBS, ACCOUNTS, JOBS_EACH = 20_000, 10_000, 3
GAP = 0.1


def status(number: int, chance: Random) -> dict[str, object]:
    """A working job's object, half of them with progress."""
    progress = chance.randint(1, 99) if chance.random() < 0.5 else None
    return {
        "id": f"V3-{number:032x}",
        "url": f"https://acme.zendesk.com/api/v2/job_statuses/V3-{number:032x}.json",
        "job_type": "Bulk Update Ticket",
        "status": "working",
        "total": 100,
        "progress": progress,
        "message": "Updating ticket #19",
        "results": None,
    }


def crowded(jobs: int) -> tuple[Roster, float]:
    """A roster of jobs of all ages that were looked at long ago and recently; and the moment it is."""
    chance, roster = Random(1), Roster(2.0, 300.0)
    for number in range(jobs):
        watch = Watch(Job(account="acme", id=f"V3-{number:032x}", tracked_at=-chance.lognormvariate(5.0, 1.5)))
        roster.add(watch, 0.0, 0.0)
        watch.work_left = chance.lognormvariate(0.0, 1.5) if chance.random() < REPORTING else watch.work_left
    now = 0.0
    for _ in range(2 * jobs // IDS_MAX):
        now += GAP
        poll = roster.take(now, GAP)
        roster.looked(poll.watches if poll else (), now)
    return roster, now + GAP


def decision(jobs: int, rounds: int) -> tuple[float, float]:
    """Seconds, median and worst, to say when the next request is due and what it holds."""
    roster, now = crowded(jobs)
    taken = []
    gc.disable()
    for _ in range(rounds):
        began = time.thread_time()
        roster.next_at(now, GAP)
        poll = roster.take(now, GAP)
        roster.next_at(now + GAP, GAP)
        taken.append(time.thread_time() - began)
        roster.looked(poll.watches if poll else (), now)
        now += GAP
    gc.enable()
    return median(taken), max(taken)


def reply() -> float:
    """Seconds to decipher a full reply and compare what it says, which is the least that a request costs us."""
    chance = Random(1)
    statuses = [status(number, chance) for number in range(IDS_MAX)]
    body = orjson.dumps({"job_statuses": statuses})
    request = Request(endpoint=Endpoint.SHOW_MANY, ids=[one["id"] for one in statuses])
    response = Response(status=200, headers={"ratelimit-limit": "700", "ratelimit-remaining": "600"}, body=body)

    def once() -> None:
        for one in decipher(request, response, 0.0).found.values():
            orjson.dumps(one)

    return timed(once)


def timed(once: Callable[[], None], rounds: int = 200) -> float:
    taken = []
    for _ in range(rounds):
        began = time.thread_time()
        once()
        taken.append(time.thread_time() - began)
    return median(taken)


def idle_accounts(seconds: float) -> tuple[float, float]:
    """The part of a core that the schedule of many accounts takes, and requests per second over all of them."""
    chance, agenda = Random(1), Agenda()
    posts = {}
    for number in range(ACCOUNTS):
        roster, pacer = Roster(2.0, 300.0), Pacer(Rate(), 0.0)
        for job in range(JOBS_EACH):
            watch = Watch(Job(account=f"a{number}", id=f"V3-{number:016}{job:016}", tracked_at=0.0))
            roster.add(watch, 0.0, chance.uniform(0.0, 3_600.0))
            watch.work_left = chance.lognormvariate(0.0, 1.5) if chance.random() < REPORTING else watch.work_left
        posts[f"a{number}"] = roster, pacer
        agenda.set(f"a{number}", chance.uniform(0.0, 10.0))
    requests, spent, now = 0, 0.0, 0.0
    while now < seconds:
        now = agenda.next_at()
        began = time.thread_time()
        for name in agenda.due(now):
            requests += visit(*posts[name], now)
            agenda.set(name, next_at(*posts[name], now))
        spent += time.thread_time() - began
    return spent / seconds, requests / seconds


def visit(roster: Roster, pacer: Pacer, now: float) -> int:
    if next_at(roster, pacer, now) > now:
        return 0
    poll = roster.take(now, pacer.gap(now))
    if poll is None:
        return 0
    pacer.sent(now)
    pacer.heard(RateHeaders(limit=700, remaining=600, reset_seconds=30.0), now)
    roster.looked(poll.watches, now)
    return 1


def next_at(roster: Roster, pacer: Pacer, now: float) -> float:
    return roster.next_at(max(now, pacer.next_at(now)), pacer.gap(now))
