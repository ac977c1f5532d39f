import asyncio

import pytest

from relay.app.client import BusyError, NotReachedError
from relay.app.tracking import following
from relay.app.tracking.client import NotTrackedError, Tracked
from relay.app.tracking.following import LOOKS_MAX, Following
from relay.errors import ConfigError


def jobs(count):
    return [Tracked(account="acme", id=f"V3-{n}", created=True, href=f"/{n}") for n in range(count)]


class Relay:
    """Plays a client: each job ends at its `looks`-th look; `troubles` are raised first."""

    def __init__(self, looks=1, troubles=()):
        self.looks = looks
        self.troubles = list(troubles)
        self.seen = {}
        self.waits = []
        self.at_once = self.at_once_max = 0

    async def look(self, job, wait_seconds):
        self.waits.append(wait_seconds)
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.troubles:
            raise self.troubles.pop(0)
        self.seen[job] = self.seen.get(job, 0) + 1
        return {"terminal": self.seen[job] == self.looks}


class Audience:
    def __init__(self):
        self.ended, self.gone, self.said = [], [], []

    def seen(self, job, view):
        if view["terminal"]:
            self.ended.append(job)

    def vanished(self, job):
        self.gone.append(job)

    def interrupted(self, why):
        self.said.append(why)

    def resumed(self):
        self.said.append("resumed")


@pytest.fixture
def audience():
    return Audience()


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(following, "RETRY_SECONDS_MIN", 0.0)


async def test_each_job_is_looked_at_until_it_ends(audience):
    relay = Relay(looks=3)
    await Following(relay, audience, every_seconds=0.0).follow(jobs(5))
    assert sorted(job.id for job in audience.ended) == [f"V3-{n}" for n in range(5)]
    assert set(relay.seen.values()) == {3}


async def test_many_jobs_take_turns_with_shorter_looks(audience):
    relay = Relay()
    await Following(relay, audience, every_seconds=30.0).follow(jobs(4 * LOOKS_MAX))
    assert relay.at_once_max <= LOOKS_MAX
    assert relay.waits[0] == 30.0 / 4
    assert relay.waits[-1] == 30.0
    assert len(audience.ended) == 4 * LOOKS_MAX


async def test_a_restart_is_survived_and_said_once(audience):
    troubles = [NotReachedError("gone"), NotReachedError("gone"), BusyError("loading", 1.0)]
    await Following(Relay(troubles=troubles), audience, every_seconds=0.0).follow(jobs(1))
    assert audience.said == ["gone", "resumed"]
    assert len(audience.ended) == 1


async def test_a_job_that_is_deleted_meanwhile_is_given_up(audience):
    await Following(Relay(troubles=[NotTrackedError("x")]), audience, every_seconds=0.0).follow(jobs(2))
    assert (len(audience.gone), len(audience.ended)) == (1, 1)


async def test_being_turned_away_ends_it(audience):
    with pytest.raises(ConfigError, match="401"):
        await Following(Relay(troubles=[ConfigError("401")]), audience, every_seconds=0.0).follow(jobs(3))


async def test_a_relay_that_answers_too_soon_is_not_asked_the_faster(audience):
    relay = Relay(looks=10_000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await Following(relay, audience, every_seconds=30.0).follow(jobs(1))
    assert len(relay.waits) == 1
