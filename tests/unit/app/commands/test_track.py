import pytest

from relay.app.client import BusyError, NotReachedError
from relay.app.commands import track
from relay.app.tracking.client import Tracked
from relay.errors import ConfigError


class Relay:
    """Plays a client: takes everything, after raising `troubles`, one per call; None: no trouble with this call."""

    def __init__(self, *troubles):
        self.calls = []
        self._troubles = list(troubles)

    async def track(self, ids, account):
        self.calls.append((len(ids), account))
        trouble = self._troubles.pop(0) if self._troubles else None
        if trouble is not None:
            raise trouble
        return [Tracked(account="acme", id=job_id, created=True, href="") for job_id in ids]


def ids(count):
    return [f"V3-{n}" for n in range(count)]


async def hand_in(relay, count):
    return await track._hand_in(relay, ids(count), "acme")


async def test_jobs_go_in_batches_and_come_back_in_their_order():
    relay = Relay()
    assert [job.id for job in await hand_in(relay, 2_500)] == ids(2_500)
    assert relay.calls == [(1_000, "acme"), (1_000, "acme"), (500, "acme")]


async def test_a_busy_relay_is_asked_again():
    relay = Relay(BusyError("draining", 0.0))
    assert len(await hand_in(relay, 1)) == 1
    assert len(relay.calls) == 2


async def test_what_was_taken_before_a_refusal_is_said():
    with pytest.raises(ConfigError, match=r"no good\nthe 1000 jobs before these are tracked"):
        await hand_in(Relay(None, ConfigError("no good")), 1_001)


async def test_where_nobody_answers_it_says_how_to_start_one():
    with pytest.raises(NotReachedError, match=r"nobody; start one with `relay serve`, or .* --url"):
        await hand_in(Relay(NotReachedError("nobody")), 1)
