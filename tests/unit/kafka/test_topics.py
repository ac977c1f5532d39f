"""The question after a topic, in the newest version that both sides know, and answers as brokers encode them."""

from io import BytesIO
from uuid import UUID

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from relay.errors import Reason
from relay.kafka.failures import KafkaFailure
from relay.kafka.topics import METADATA, UNTOLD, _Describe, _DescribeResponse, describe_topic

ID = UUID("c0504218-8f55-48f6-acf4-708492dff91d")
READ, WRITE = 1 << 3, 1 << 4


class Broker:
    """Answers with these topics. `asked`: what came."""

    def __init__(self, *topics, version=10):
        self._topics = topics
        self._version = version
        self.asked = []

    async def send(self, request):
        struct = request.prepare({METADATA: (0, self._version)})
        self.asked.append(struct)
        if self._version < 10:
            return type("Answer", (), {"API_VERSION": self._version, "topics": self._topics})
        answer = _DescribeResponse(0, [], "cluster", 1, list(self._topics), UNTOLD, {})
        return _DescribeResponse.decode(BytesIO(answer.encode()))


class Connection:
    def __init__(self, broker):
        self._broker = broker

    def connected(self):
        return self

    async def __aenter__(self):
        return self._broker

    async def __aexit__(self, *_):
        return None


def topic(partitions, operations, *, error=0):
    each = [(0, number, 1, 0, [1], [1], [], {}) for number in range(partitions)]
    return (error, "intake", ID, False, each, operations, {})


async def described(broker, *, create=False):
    return await describe_topic(Connection(broker), "intake", create=create)


async def test_a_topic_has_an_id_and_partitions_and_says_what_we_may_do():
    found = await described(Broker(topic(3, READ)))
    assert (found.name, found.id, found.partitions, found.may_read, found.may_write) == ("intake", ID, 3, True, False)
    assert (await described(Broker(topic(1, READ | WRITE)))).may_write


async def test_where_the_permissions_are_not_told_everything_may_be_tried():
    found = await described(Broker(topic(1, UNTOLD)))
    assert (found.may_read, found.may_write) == (True, True)


async def test_an_old_broker_tells_no_id():
    found = await described(Broker((0, "intake", False, [object(), object()]), version=8))
    assert (found.partitions, found.id) == (2, None)


@pytest.mark.parametrize("version", [8, 10])
@pytest.mark.parametrize("create", [True, False])
async def test_only_who_wants_it_created_has_it_created(version, create):
    answer = topic(1, UNTOLD) if version == 10 else (0, "intake", False, [object()])
    broker = Broker(answer, version=version)
    await described(broker, create=create)
    assert broker.asked[0].get_item("allow_auto_topic_creation") is create


async def test_an_error_of_the_topic_is_a_failure():
    with pytest.raises(KafkaFailure) as raised:
        await described(Broker(topic(0, UNTOLD, error=UnknownTopicOrPartitionError.errno)))
    assert raised.value.reason is Reason.NOT_FOUND


def test_the_question_is_encoded_as_the_protocol_says():
    """Version 10: one topic by name, a nil id, three flags, no tagged fields."""
    struct = _Describe("t", create=True).prepare({METADATA: (0, 13)})
    assert struct.encode() == b"\x02" + bytes(16) + b"\x02t\x00" + b"\x01\x00\x01" + b"\x00"
