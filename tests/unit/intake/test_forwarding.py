"""Who belongs here, who is sent on, and who has been sent on in vain."""

import orjson
import pytest

from relay.core.allowlist import Allowlist
from relay.core.commands import HEADER
from relay.errors import Reason
from relay.intake.accounts import Account, Directory
from relay.intake.forwarding import Forwarding
from relay.intake.records import FORWARDED, read
from relay.kafka.publisher import NotPublished
from relay.kafka.reader import Message

PLACES = {"acme": 0, "globex": 1, "hooli": 2}


class Rules:
    directory = Directory([Account(name=name, base_url=f"https://{name}.zendesk.com") for name in PLACES])
    callbacks = Allowlist()


def message(fields, offset=7, headers=()):
    return Message(0, offset, b"any", orjson.dumps(fields), headers)


class Topic:
    """`failing`: by offset of what is sent on, why it cannot be."""

    def __init__(self, **failing):
        self.records = []
        self.failing = failing
        self.forwarding = Forwarding(self.publish, topic="jobs", place=PLACES.__getitem__)

    async def publish(self, record):
        reason = self.failing.get(orjson.loads(record.value)["id"])
        if reason is not None:
            raise NotPublished(reason, "no")
        self.records.append(record)

    def sort(self, *messages):
        return self.forwarding.sort(read(messages, Rules()))


def test_jobs_and_commands_of_accounts_that_belong_elsewhere_are_misplaced_and_nothing_else_is():
    contents, misplaced = Topic().sort(
        message({"account": "acme", "id": "a"}, 1),
        message({"account": "globex", "id": "b"}, 2),
        message({"account": "acme", "id": "a"}, 3, [(HEADER, b"untrack")]),
        message({"account": "hooli", "id": "c"}, 4, [(HEADER, b"untrack")]),
        message({"sink": "orders"}, 5, [(HEADER, b"resume")]),
        message(7, 6),
    )
    assert [wish.message.offset for wish in contents.wishes] == [1]
    assert [order.message.offset for order in contents.orders] == [3, 5]
    assert [one.message.offset for one in contents.unreadable] == [6]
    assert [(one.message.offset, one.account) for one in misplaced] == [(2, "globex"), (4, "hooli")]


async def test_they_are_sent_to_where_they_belong_and_say_that_they_were():
    topic = Topic()
    _, misplaced = topic.sort(message({"account": "globex", "id": "b"}, headers=[("traceparent", b"x")]))
    assert await topic.forwarding.forward(misplaced) == []
    [record] = topic.records
    assert (record.topic, record.key, record.partition) == ("jobs", b"globex", 1)
    assert orjson.loads(record.value) == {"account": "globex", "id": "b"}
    assert record.headers == [("traceparent", b"x"), (FORWARDED, b"1")]


def test_what_was_sent_on_and_is_misplaced_again_goes_nowhere_else():
    contents, misplaced = Topic().sort(message({"account": "globex", "id": "b"}, headers=[(FORWARDED, b"1")]))
    assert list(misplaced) == []
    [one] = contents.unreadable
    assert (one.code, "number of partitions changed" in one.detail) == ("invalid_field", True)


def test_what_was_sent_on_and_belongs_here_is_taken():
    contents, misplaced = Topic().sort(message({"account": "acme", "id": "b"}, headers=[(FORWARDED, b"1")]))
    assert (len(contents.wishes), list(misplaced)) == (1, [])


async def test_one_that_is_too_large_with_its_header_is_told_and_the_others_are_sent_on():
    topic = Topic(b=Reason.REFUSED)
    _, misplaced = topic.sort(
        message({"account": "globex", "id": "b"}, 1), message({"account": "globex", "id": "c"}, 2)
    )
    [refused] = await topic.forwarding.forward(misplaced)
    assert (refused.message.offset, refused.code) == (1, "body_too_large")
    assert len(topic.records) == 1


async def test_a_broker_that_is_away_is_told():
    topic = Topic(b=Reason.CONNECT)
    _, misplaced = topic.sort(message({"account": "globex", "id": "b"}))
    with pytest.raises(NotPublished):
        await topic.forwarding.forward(misplaced)
