import io
from types import SimpleNamespace

import pytest

from relay.app.commands import track
from relay.app.tracking.client import BusyError, NotReachedError, Tracked
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


async def test_a_relay_that_stays_busy_is_given_up(monkeypatch):
    monkeypatch.setattr(track, "BUSY_TRIES_MAX", 3)
    with pytest.raises(BusyError):
        await hand_in(Relay(*[BusyError("overloaded", 0.0)] * 10), 1)


async def test_what_was_taken_before_a_refusal_is_said():
    with pytest.raises(ConfigError, match=r"no good\nthe 1000 jobs before these are tracked"):
        await hand_in(Relay(None, ConfigError("no good")), 1_001)


async def test_where_nobody_answers_it_says_how_to_start_one():
    with pytest.raises(NotReachedError, match=r"nobody; start one with `relay serve`, or .* --url"):
        await hand_in(Relay(NotReachedError("nobody")), 1)


def test_ids_are_read_from_standard_input_where_a_minus_stands(monkeypatch):
    stdin = SimpleNamespace(buffer=io.BytesIO(b"V3-2 V3-3\n\n\tV3-4\r\n\xff"))
    monkeypatch.setattr(track.sys, "stdin", stdin)
    assert list(track._read(["V3-1", "-", "V3-5"])) == [
        "V3-1",
        "V3-2",
        "V3-3",
        "V3-4",
        "\N{REPLACEMENT CHARACTER}",
        "V3-5",
    ]
