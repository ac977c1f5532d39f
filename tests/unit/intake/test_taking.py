"""From records to the ledger: what cannot be taken is put aside first, and everything is recorded together."""

from collections import Counter

import orjson
import pytest

from relay.core.allowlist import AllowedHost, Allowlist
from relay.core.callbacks import CallbacksFull
from relay.core.commands import HEADER, Pause, Untrack, encode
from relay.errors import Reason, Unavailable
from relay.intake.accounts import Account, Directory
from relay.intake.forwarding import Misplaced, Sorted
from relay.intake.insisting import Insisting
from relay.intake.problems import Code
from relay.intake.records import Unreadable
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

    async def execute(self, commands, marks):
        self.story.append(("executed", list(commands), dict(marks)))

    async def bury(self, unreadable):
        self.story.append(("buried", [(one.message.offset, one.code.value) for one in unreadable]))

    def intake_jobs(self, source, result, count):
        self.counted[source, result] += count

    def intake_ack(self, seconds): ...

    def info(self, event, /, **fields): ...

    def warning(self, event, /, **fields):
        self.lines.append((event, fields.get("account") or fields.get("count")))

    error = warning

    async def take(self, *values, marks=None, headers=()):
        messages = [
            Message(0, offset, b"acme", value if isinstance(value, bytes) else orjson.dumps(value), headers)
            for offset, value in enumerate(values)
        ]
        await self.taking.take(messages, marks or {"intake/t/0": b"9"}, self.insisting)

    async def order(self, *commands):
        [kind] = {encode(command)[0] for command in commands}
        await self.take(*(encode(command)[1] for command in commands), headers=[(HEADER, kind.encode())])


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


async def test_commands_are_carried_out_with_the_offset_that_passes_them(desk):
    untracked = [Untrack(account="acme", id="a"), Untrack(account="acme", id="b")]
    await desk.order(*untracked)
    await desk.order(Pause(sink="orders", since=7.0))
    assert desk.story == [
        ("executed", untracked, {"intake/t/0": b"9"}),
        ("executed", [Pause(sink="orders", since=7.0)], {"intake/t/0": b"9"}),
    ]
    assert desk.counted == {}, "they are no jobs"


async def test_a_command_that_cannot_be_read_is_buried_and_passed(desk):
    await desk.take(b"{}", headers=[(HEADER, b"untrack")])
    assert desk.story == [("buried", [(0, "invalid_field")]), ("recorded", [], {"intake/t/0": b"9"})]


async def test_what_the_api_has_accepted_was_counted_there(desk):
    await desk.take({"id": "a"}, headers=[("relay.accepted", b"1")])
    assert desk.counted == {}
    assert desk.story == [("recorded", ["a"], {"intake/t/0": b"9"})]


class Elsewhere:
    """Forwarding that finds these jobs misplaced; `refused`: those that cannot be sent on."""

    def __init__(self, desk, *names, refused=()):
        self.desk, self.names, self.refused = desk, names, refused

    def sort(self, contents):
        here = [wish for wish in contents.wishes if wish.request.id not in self.names]
        away = [Misplaced(wish.message, "acme") for wish in contents.wishes if wish.request.id in self.names]
        return Sorted(contents._replace(wishes=here), away)

    async def forward(self, misplaced):
        self.desk.story.append(("forwarded", [one.message.offset for one in misplaced]))
        return [
            Unreadable(one.message, Code.BODY_TOO_LARGE, "too large")
            for one in misplaced
            if one.message.offset in self.refused
        ]


async def test_what_is_misplaced_is_sent_on_before_the_offset_passes_it(desk):
    desk.taking._forwarding = Elsewhere(desk, "b")
    await desk.take({"id": "a"}, {"id": "b"}, {"id": "c"})
    assert desk.story == [("forwarded", [1]), ("recorded", ["a", "c"], {"intake/t/0": b"9"})]
    assert desk.lines == [("intake.misplaced", "acme")]
    await desk.take({"id": "b"})
    assert desk.lines == [("intake.misplaced", "acme")], "which is told once"


async def test_what_cannot_be_sent_on_is_buried(desk):
    desk.taking._forwarding = Elsewhere(desk, "b", refused=[1])
    await desk.take({"id": "a"}, {"id": "b"})
    assert desk.story == [
        ("forwarded", [1]),
        ("buried", [(1, "body_too_large")]),
        ("recorded", ["a"], {"intake/t/0": b"9"}),
    ]


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
