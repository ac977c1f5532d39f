"""When it is tried to publish with what is recorded, and when not. The clock is the event loop's, moved by hand."""

import asyncio

import pytest

from relay.core.events import trial
from relay.core.record import Message
from relay.errors import NotPublishable, Reason
from relay.kafka.producer import Record
from relay.ledger.kafka.producer import NotPublished
from relay.ledger.kafka.publishing import PAUSE_SECONDS_MAX, SIZE_SECONDS, Publishing
from relay.ledger.kafka.topics import RECORD_BYTES_MAX


def render(topic, size=2):
    return lambda event: Record(topic=topic, key=event.partitionkey.encode(), value=b"x" * size)


SMALL, OTHER, LARGE, LARGER = (
    Message(sink=sink, event=trial(sink, number, 0.0))
    for number, sink in enumerate(("small", "other", "large", "huge"))
)
AWAY = NotPublished(Reason.TIMEOUT, "no answer in time", "events")
TOO_LARGE = NotPublished(Reason.REFUSED, "message size too large", "events")


@pytest.fixture
def publishing():
    return Publishing(
        {
            "small": render("events"),
            "other": render("audit"),
            "large": render("events", 200_000),
            "huge": render("events", RECORD_BYTES_MAX),
        }
    )


@pytest.fixture
async def later(monkeypatch):
    """Moves the clock on by so many seconds."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])

    def move(seconds):
        ahead[0] += seconds

    return move


def refused(publishing, failure, *messages):
    publishing.records_of(messages)
    return publishing.refused(messages, failure)


def tried(publishing, *messages):
    try:
        publishing.records_of(messages)
    except NotPublishable:
        return False
    return True


async def test_a_message_becomes_its_sinks_record(publishing):
    [record] = publishing.records_of([SMALL])
    assert (record.topic, record.value) == ("events", b"xx")


async def test_a_topic_that_has_refused_is_left_alone_for_longer_and_longer(publishing, later):
    for seconds in (1.0, 2.0, 4.0):
        assert refused(publishing, AWAY, SMALL).reason is Reason.TIMEOUT
        later(seconds - 0.1)
        assert not tried(publishing, SMALL)
        later(0.2)
        assert tried(publishing, SMALL)
    for _ in range(10):
        refused(publishing, AWAY, SMALL)
        later(PAUSE_SECONDS_MAX)
        assert tried(publishing, SMALL)


async def test_others_go_on_meanwhile(publishing):
    refused(publishing, AWAY, SMALL)
    assert tried(publishing, OTHER)
    assert not tried(publishing, OTHER, SMALL)


async def test_a_success_forgets_the_pauses(publishing, later):
    refused(publishing, AWAY, SMALL)
    later(1.1)
    refused(publishing, AWAY, SMALL)
    later(2.1)
    publishing.published(publishing.records_of([SMALL]))
    refused(publishing, AWAY, SMALL)
    later(1.1)
    assert tried(publishing, SMALL)


async def test_what_is_too_large_holds_up_nobody_else_and_is_named(publishing, later):
    assert refused(publishing, TOO_LARGE, SMALL, LARGE).too_large == {LARGE.event.id}
    assert tried(publishing, SMALL)
    with pytest.raises(NotPublishable, match="takes no message of") as told:
        publishing.records_of([SMALL, LARGE])
    assert (told.value.reason, told.value.too_large) == (Reason.REFUSED, {LARGE.event.id})
    later(SIZE_SECONDS + 1)
    assert tried(publishing, LARGE)


async def test_what_no_topic_can_take_is_not_even_tried(publishing):
    with pytest.raises(NotPublishable) as told:
        publishing.records_of([LARGER])
    assert told.value.too_large == {LARGER.event.id}


async def test_what_is_refused_although_it_is_small_is_a_matter_of_the_topic(publishing):
    refused(publishing, TOO_LARGE, SMALL)
    assert not tried(publishing, SMALL)


async def test_what_is_told_says_what_to_do(publishing):
    failure = NotPublished(Reason.FORBIDDEN, "topic authorization failed", "events")
    assert str(refused(publishing, failure, SMALL)) == (
        "topic events: topic authorization failed; let the user do this (kafka-acls)"
    )
