"""From records to the ledger: what cannot be taken is put aside first, and everything is recorded together."""

from collections import Counter

import orjson
import pytest

from relay.core.allowlist import AllowedHost, Allowlist
from relay.core.callbacks import CallbacksFull
from relay.errors import Reason, Unavailable
from relay.intake.accounts import Account, Directory
from relay.intake.insisting import Insisting
from relay.intake.taking import Taking
from relay.kafka.reader import Message


class Desk:
    """Everything that `Taking` works with. `story`: what was done, in this order."""

    def __init__(self):
        self.story = []
        self.counted = Counter()
        self.lines = []
        self.full = set()
        self.known = set()
        self.directory = Directory([Account(name="acme", base_url="https://acme.zendesk.com")])
        self.callbacks = Allowlist([AllowedHost(pattern="*")])
        self.taking = Taking(jobs=self, rules=self, dead_letters=self, observer=self, log=self)
        self.insisting = Insisting(log=self, waiting=lambda: None)

    async def track(self, requests, marks):
        indexes = [index for index, request in enumerate(requests) if request.id in self.full]
        if indexes:
            raise CallbacksFull(indexes)
        created = [request.id not in self.known for request in requests]
        self.known |= {request.id for request in requests}
        self.story.append(("recorded", [request.id for request in requests], dict(marks)))
        return created

    async def bury(self, unreadable):
        self.story.append(("buried", [(one.message.offset, one.code.value) for one in unreadable]))

    def intake_jobs(self, source, result, count):
        self.counted[source, result] += count

    def intake_ack(self, seconds): ...

    def info(self, event, /, **fields): ...

    def warning(self, event, /, **fields):
        self.lines.append((event, fields.get("account") or fields.get("count")))

    error = warning

    async def take(self, *values, marks=None):
        messages = [
            Message(0, offset, b"acme", value if isinstance(value, bytes) else orjson.dumps(value))
            for offset, value in enumerate(values)
        ]
        await self.taking.take(messages, marks or {"intake/t/0": b"9"}, self.insisting)


@pytest.fixture
def desk():
    return Desk()


async def test_all_of_a_batch_is_recorded_together_with_the_offsets(desk):
    await desk.take({"id": "a"}, {"id": "b"})
    assert desk.story == [("recorded", ["a", "b"], {"intake/t/0": b"9"})]
    assert desk.counted == {("kafka", "created"): 2}


async def test_what_cannot_be_read_is_buried_before_the_offset_passes_it(desk):
    await desk.take({"id": "a"}, b"junk", {"id": "b"})
    assert desk.story == [("buried", [(1, "invalid_json")]), ("recorded", ["a", "b"], {"intake/t/0": b"9"})]
    assert desk.counted == {("kafka", "created"): 2, ("kafka", "refused"): 1}
    assert desk.lines == [("intake.dead_letters", 1)]


async def test_a_batch_of_nothing_readable_still_moves_the_offset(desk):
    await desk.take(b"junk", b"junk")
    assert desk.story[-1] == ("recorded", [], {"intake/t/0": b"9"})
    assert desk.counted == {("kafka", "refused"): 2}


async def test_a_callback_too_many_is_one_records_trouble(desk):
    desk.full = {"b"}
    await desk.take({"id": "a"}, {"id": "b", "callback_url": "https://x.acme.com/"}, {"id": "c"})
    assert desk.story == [
        ("buried", [(1, "callback_not_allowed")]),
        ("recorded", ["a", "c"], {"intake/t/0": b"9"}),
    ]


async def test_jobs_that_were_known_are_counted_as_such(desk):
    await desk.take({"id": "a"})
    await desk.take({"id": "a"}, {"id": "b"})
    assert desk.counted == {("kafka", "created"): 2, ("kafka", "exists"): 1}


async def test_an_account_that_is_not_configured_is_warned_about_once_for_as_long_as_it_is_not(desk):
    for _ in range(3):
        await desk.take({"id": "a", "account": "stranger"}, {"id": "b", "account": "acme"})
    assert desk.lines == [("intake.account_not_configured", "stranger")]
    desk.directory = Directory([Account(name="stranger", base_url="https://s.zendesk.com")])
    await desk.take({"id": "a", "account": "stranger"})
    desk.directory = Directory([Account(name="acme", base_url="https://acme.zendesk.com")])
    await desk.take({"id": "a", "account": "stranger"})
    assert desk.lines == [("intake.account_not_configured", "stranger")] * 2


async def test_what_cannot_be_buried_yet_is_buried_once(desk, monkeypatch):
    """To try the ledger again does not fill the topic of dead letters."""
    monkeypatch.setattr("relay.intake.insisting.AGAIN_AFTER_SECONDS_MAX", 0.0)
    refusals = [Unavailable(Reason.LEDGER_UNAVAILABLE, "no", 0.0)] * 3
    track = desk.track

    async def refuse(requests, marks):
        if refusals:
            raise refusals.pop()
        return await track(requests, marks)

    desk.taking._jobs = type("Jobs", (), {"track": staticmethod(refuse)})
    await desk.take(b"junk", {"id": "a"})
    assert [what for what, *_ in desk.story] == ["buried", "recorded"]
