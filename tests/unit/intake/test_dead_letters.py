import pytest

from relay.errors import Reason
from relay.intake.dead_letters import DETAIL_CHARACTERS_MAX, DeadLetters
from relay.intake.problems import Code
from relay.intake.records import Unreadable
from relay.kafka.publisher import NotPublished
from relay.kafka.reader import Message


class Topic:
    """Takes records, but none with more bytes than `most`, and none at all while there is a `reason` not to."""

    def __init__(self):
        self.records = []
        self.most = 1_000_000
        self.reason = None

    async def publish(self, record):
        if self.reason is not None:
            raise NotPublished(self.reason, "no")
        if len(record.value or b"") > self.most:
            raise NotPublished(Reason.REFUSED, "message size too large")
        self.records.append(record)


@pytest.fixture
def topic():
    return Topic()


@pytest.fixture
def dead_letters(topic):
    return DeadLetters(topic.publish, topic="dead", source="intake")


def unreadable(value=b"junk", headers=(), detail="it is no JSON"):
    return Unreadable(Message(3, 17, b"key", value, headers), Code.INVALID_JSON, detail)


async def test_it_is_kept_as_it_came_with_the_reason_beside_it(dead_letters, topic):
    await dead_letters.bury([unreadable(headers=(("colour", b"blue"), ("none", None)))])
    [record] = topic.records
    assert (record.topic, record.key, record.value) == ("dead", b"key", b"junk")
    assert list(record.headers) == [
        ("colour", b"blue"),
        ("none", None),
        ("relay.error.code", b"invalid_json"),
        ("relay.error.detail", b"it is no JSON"),
        ("relay.source.topic", b"intake"),
        ("relay.source.partition", b"3"),
        ("relay.source.offset", b"17"),
    ]


async def test_one_that_was_sent_in_again_tells_only_of_the_last_time(dead_letters, topic):
    old = (("relay.error.code", b"old"), ("relay.source.offset", b"1"), ("relay.forwarded", b"1"))
    await dead_letters.bury([unreadable(headers=old)])
    told = topic.records[0].headers
    assert [value for name, value in told if name in {"relay.error.code", "relay.source.offset"}] == [
        b"invalid_json",
        b"17",
    ]
    assert all(name != "relay.forwarded" for name, _ in told), "who sends it in again may do so anywhere"


async def test_a_long_reason_is_cut(dead_letters, topic):
    await dead_letters.bury([unreadable(detail="ä" * 5_000)])
    assert dict(topic.records[0].headers)["relay.error.detail"].decode() == "ä" * DETAIL_CHARACTERS_MAX


async def test_one_that_is_too_large_to_be_kept_is_told_of_all_the_same(dead_letters, topic):
    topic.most = 10
    await dead_letters.bury([unreadable(value=b"x" * 11, headers=(("long", b"x" * 100),)), unreadable()])
    large, usual = sorted(topic.records, key=lambda record: len(record.value))
    assert (large.key, large.value, usual.value) == (None, b"", b"junk")
    assert [name for name, _ in large.headers] == [
        "relay.error.code",
        "relay.error.detail",
        "relay.source.topic",
        "relay.source.partition",
        "relay.source.offset",
    ]


async def test_one_without_key_and_value_has_an_empty_value(dead_letters, topic):
    await dead_letters.bury([Unreadable(Message(0, 0, None, None), Code.INVALID_JSON, "there is no value")])
    assert (topic.records[0].key, topic.records[0].value) == (None, b"")


async def test_while_the_topic_takes_nothing_that_is_not_passed_over(dead_letters, topic):
    topic.reason = Reason.NOT_FOUND
    with pytest.raises(NotPublished):
        await dead_letters.bury([unreadable(), unreadable()])
    assert topic.records == []
