"""What a failure of the producer means. The producer itself is tested on a real broker."""

import asyncio
import inspect

import pytest
from aiokafka import errors
from aiokafka.producer import sender

from relay.errors import Reason
from relay.kafka.failures import AWAY
from relay.kafka.topics import Topic
from relay.ledger.kafka import producer as producing
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.producer import (
    Expired,
    Fenced,
    NotCommitted,
    NotPublished,
    OutcomeUnknown,
    PartitionProducer,
    classified,
)
from relay.ledger.kafka.topics import LedgerTopic


@pytest.mark.parametrize("error", [errors.ProducerFenced(), errors.InvalidProducerEpoch()])
@pytest.mark.parametrize("otherwise", [NotCommitted, OutcomeUnknown])
def test_an_old_epoch_means_that_somebody_else_has_the_partition(error, otherwise):
    with pytest.raises(Fenced), classified(otherwise):
        raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), Reason.TIMEOUT),
        (errors.KafkaConnectionError("gone"), Reason.RESET),
        (errors.MessageSizeTooLargeError(), Reason.REFUSED),
        (errors.InvalidTxnState(), Reason.UNAVAILABLE),
        (AssertionError("Invalid state transition"), Reason.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("otherwise", [NotCommitted, OutcomeUnknown])
def test_any_other_failure_means_what_its_time_says(error, reason, otherwise):
    with pytest.raises(otherwise) as told, classified(otherwise):
        raise error
    assert told.value.reason is reason


def test_a_bug_comes_out_as_it_is():
    with pytest.raises(KeyError), classified(NotCommitted):
        raise KeyError


@pytest.mark.parametrize("error", [errors.InvalidProducerIdMapping(), errors.UnknownProducerId()])
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_a_broker_has_forgotten_another_producer_may_do(error, wrapped):
    """After a week without a transaction. What has been sent to be committed may have been committed, all the same."""
    raised = error
    if wrapped:  # as by aiokafka's part that sends
        raised = errors.KafkaError("Unexpected error during batch delivery")
        raised.__cause__ = error
    with pytest.raises(Expired), classified(NotCommitted):
        raise raised
    with pytest.raises(OutcomeUnknown), classified(OutcomeUnknown):
        raise raised


class Cluster:
    def __init__(self, leaders):
        self._leaders = leaders

    def leader_for_partition(self, place):
        return self._leaders[place.partition]


class Client:
    """Of aiokafka, which knows a topic with these leaders, or asks for it again and again (None)."""

    def __init__(self, leaders):
        self._leaders = leaders
        self.client = self
        self.cluster = Cluster(leaders)

    async def partitions_for(self, topic):
        if self._leaders is None:
            await asyncio.Event().wait()
        return set(self._leaders)


def producer(leaders):
    topic = LedgerTopic(topic=Topic(name="ledger", partitions=1), tombstones_kept_seconds=1.0)
    return PartitionProducer(Client(leaders), Partition(connection=None, cluster="c", topic=topic, number=0))


async def test_a_topic_of_messages_is_found_with_all_its_partitions():
    assert await producer({1: 3, 0: 2}).find({"events"}) == {"events": [0, 1]}
    assert await producer(None).find(set()) == {}


@pytest.mark.parametrize("leaders", [{0: 2, 1: -1}, {0: 2, 1: None}, None])
async def test_one_without_a_leader_or_that_is_not_there_is_told_before_anything_is_begun(leaders, monkeypatch):
    """A transaction that holds such a partition would not end before it is there."""
    monkeypatch.setattr(producing, "KNOW_SECONDS_MAX", 0.01)
    with pytest.raises(NotPublished, match="topic events: ") as told:
        await producer(leaders).find({"events"})
    assert told.value.topic == "events"
    assert told.value.reason in AWAY


def test_aiokafka_still_asks_what_to_wait_between_two_transactions():
    assert sender.BACKOFF_OVERRIDE < 0.02
    assert "return BACKOFF_OVERRIDE" in inspect.getsource(sender)
