import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest

from relay.core.job import TrackRequest
from relay.core.observe import Rules, observe, record, track
from relay.core.place import merged
from relay.core.record import EventFilter, EventPage
from relay.core.sighting import sight
from relay.errors import CursorExpired, LedgerError
from relay.intake import sse, streaming
from relay.intake.gate import Bounds, Gate
from relay.intake.opaque import read_place, write_place
from relay.intake.problems import Code, Problem
from relay.intake.rendering import Rendered
from relay.intake.streaming import DRAINING, EXPIRED, STALLED, Reading

REVOKED = Problem(401, Code.UNAUTHORIZED, "this API key is not known here")


def seen(position, **status):
    job = track(TrackRequest(account="acme", id=f"V3-{position}"), 1_700_000_000.0)
    sighting = sight({"id": job.id, "status": "completed"} | status)
    return record(observe(job, sighting, 1_700_000_001.0, Rules()), position)


class ListedEvents:
    """Events of a list; `filtered`: as many positions beyond them hold nothing that fits."""

    def __init__(self):
        self.jobs = []
        self.filtered = 0
        self.fails_with = []
        self._grown = asyncio.Event()

    def happen(self, *jobs, filtered=0):
        self.jobs += jobs
        self.filtered += filtered
        self._grown.set()
        self._grown = asyncio.Event()

    async def page(self, wanted, after, limit):
        if self.fails_with:
            raise self.fails_with.pop()
        found = [(job, event) for job in self.jobs for event in job.events if event.position > after[0]]
        reached = found[limit - 1][1].position if len(found) >= limit else max(*after, self._newest())
        return merged(after, {0: EventPage(events=found[:limit], reached=reached, more=len(found) > limit)}, more=False)

    async def wait(self, after):
        while self._newest() <= after[0]:
            await self._grown.wait()

    def _newest(self):
        return max((event.position for job in self.jobs for event in job.events), default=0) + self.filtered


class Paper:
    """What a stream was sent, and what the reader makes of it."""

    def __init__(self):
        self.sent = []
        self.fails_with = None
        self._written = asyncio.Event()

    async def send(self, data):
        if self.fails_with is not None:
            raise self.fails_with
        self.sent.append(data)
        self._written.set()

    @property
    def blocks(self):
        return b"".join(self.sent).split(b"\n\n")[:-1]

    @property
    def ids(self):
        """Of the jobs whose events came."""
        lines = [line for block in self.blocks for line in block.split(b"\n")]
        return [orjson.loads(line[6:])["subject"] for line in lines if line.startswith(b"data: ")]

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition(self):
                self._written.clear()
                await self._written.wait()


class Scene:
    def __init__(self, bounds):
        self.events, self.paper, self.gate = ListedEvents(), Paper(), Gate(bounds)
        self.right = EventFilter
        self.running = None

    def wanted(self):
        return self.right()

    async def begin(self, after):
        page = await self.events.page(EventFilter(), after, streaming.PAGE)
        reading = Reading(
            events=self.events,
            rendered=Rendered(str),
            gate=self.gate,
            wanted=self.wanted,
            page=page,
        )
        self.running = asyncio.create_task(reading.run(self.paper, after))


@asynccontextmanager
async def scene(after=0, jobs=(), **bounds):
    made = Scene(Bounds(**bounds))
    made.events.happen(*jobs)
    await made.begin((after,))
    yield made
    made.gate.drain()
    await made.running


async def test_first_what_there_is_then_what_comes():
    async with scene(jobs=[seen(1), seen(2)]) as at:
        await at.paper.until(lambda paper: len(paper.ids) == 2)
        at.events.happen(seen(3))
        await at.paper.until(lambda paper: len(paper.ids) == 3)
    assert at.paper.ids == ["V3-1", "V3-2", "V3-3"]
    assert at.paper.blocks[0] == sse.opening(write_place((0,)))[:-2]
    assert at.paper.blocks[1].startswith(b"id: %b\nevent: zendesk.job.completed\ndata: {" % write_place((1,)).encode())


async def test_a_reader_who_comes_back_goes_on_after_its_place():
    async with scene(after=2, jobs=[seen(1), seen(2), seen(3)]) as at:
        await at.paper.until(lambda paper: paper.ids)
    assert at.paper.ids == ["V3-3"]


async def test_many_events_are_sent_page_by_page_in_pieces_of_bounded_size():
    jobs = [seen(number, message="x" * 20_000) for number in range(1, 61)]
    async with scene(jobs=jobs) as at:
        await at.paper.until(lambda paper: len(paper.ids) == 60)
    assert at.paper.ids == [job.id for job in jobs]
    assert max(map(len, at.paper.sent)) < streaming.WRITE_BYTES + 30_000
    assert len(at.paper.sent) < 40


async def test_where_nothing_happens_there_is_a_sign_of_life_that_is_no_event():
    async with scene(stream_quiet_seconds=0.001) as at:
        await at.paper.until(lambda paper: len(paper.blocks) > 2)
    assert at.paper.blocks[1] == b": still here"
    assert at.paper.ids == []


async def test_a_reader_who_hears_of_little_is_told_how_far_it_is():
    """Its own last event may be so old that nothing after it is kept, when it comes back."""
    async with scene(jobs=[seen(1)], stream_quiet_seconds=0.01) as at:
        await at.paper.until(lambda paper: paper.ids)
        at.events.happen(filtered=500)
        await at.paper.until(lambda paper: paper.blocks[-1].startswith(b": still here\nid: "))
    told = [block for block in at.paper.blocks if block.startswith(b": still here\nid: ")]
    assert [read_place(block.rpartition(b" ")[2].decode()) for block in told] == [(501,)]


async def test_an_outage_of_the_ledger_is_sat_out(monkeypatch):
    monkeypatch.setattr(streaming, "LEDGER_PAUSE_SECONDS", 0.001)
    async with scene(jobs=[seen(1)]) as at:
        await at.paper.until(lambda paper: paper.ids)
        at.events.fails_with = [LedgerError("disk I/O error")] * 3
        at.events.happen(seen(2))
        await at.paper.until(lambda paper: len(paper.ids) == 2)
    assert at.paper.ids == ["V3-1", "V3-2"]


@pytest.mark.parametrize(("error", "why"), [(CursorExpired(), EXPIRED), (REVOKED, "this API key is not known here")])
async def test_a_stream_ends_with_the_right_to_it(error, why):
    async with scene() as at:
        await at.paper.until(lambda paper: paper.blocks)
        at.events.fails_with = [error]
        at.events.happen(seen(1))
        assert await at.running == why
    assert at.paper.ids == []


async def test_what_a_key_may_not_see_any_more_is_not_sent():
    async with scene() as at:

        def nothing():
            raise REVOKED

        await at.paper.until(lambda paper: paper.blocks)
        at.right = nothing
        at.events.happen(seen(1))
        assert await at.running == REVOKED.detail
    assert at.paper.ids == []


async def test_who_does_not_take_what_it_is_sent_is_let_go():
    async with scene() as at:
        await at.paper.until(lambda paper: paper.blocks)
        at.paper.fails_with = sse.Stalled()
        at.events.happen(seen(1))
        assert await at.running == STALLED


async def test_draining_ends_every_stream():
    async with scene() as at:
        await at.paper.until(lambda paper: paper.blocks)
        at.gate.drain()
        assert await at.running == DRAINING
