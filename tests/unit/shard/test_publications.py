import pytest

from relay.core.events import trial
from relay.core.record import Message
from relay.errors import NotPublishable, Reason
from relay.shard.publications import Publications

DELIVERED = [("bus", "delivered", 0.1), ("bus", "delivered", 0.1), ("other", "delivered", 0.1)]
REFUSAL = NotPublishable("no broker", Reason.TIMEOUT)


def message(sink="bus", number=1):
    return Message(sink=sink, event=trial(sink, number, 0.0))


class Told:
    """Metrics and log."""

    def __init__(self):
        self.counted, self.logged = [], []

    def delivery(self, sink, outcome, seconds, count=1):
        self.counted += [(sink, outcome, seconds)] * count

    def info(self, event, **fields):
        self.logged.append((event, fields))

    warning = info


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def publications(told):
    return Publications(source=str, metrics=told, log=told)


def test_a_sink_that_refuses_is_left_to_its_courier_until_that_gets_through_and_each_is_said_once(publications, told):
    assert publications.may("bus")
    for _ in range(2):
        publications.refused([message(), message(number=2)], REFUSAL, 0.5)
    assert not publications.may("bus")
    assert publications.may("other")
    for _ in range(2):
        publications.published([message(), message("other"), message(number=2)], 0.1)
    assert publications.may("bus")
    assert told.logged == [
        ("ledger.unpublishable", {"sink": "bus", "error": "no broker"}),
        ("ledger.publishable", {"sink": "bus"}),
    ]
    assert told.counted == [("bus", "unavailable", 0.5)] * 4 + DELIVERED * 2


def test_an_event_that_is_too_large_is_no_fault_of_the_others(publications, told):
    large, small = message(number=1), message(number=2)
    refusal = NotPublishable("2 MiB", Reason.REFUSED, {large.event.id})
    publications.refused([large, small], refusal, 0.5)
    assert publications.may("bus")
    assert told.counted == [("bus", "refused", 0.5)]
    assert told.logged == []


def test_to_a_sink_that_stands_still_nothing_is_published_beside_its_courier(publications):
    publications.hold("bus")
    publications.hold("bus")
    assert not publications.may("bus")
    publications.let_go("bus")
    publications.let_go("bus")
    assert publications.may("bus")
