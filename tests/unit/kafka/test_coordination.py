"""The parts of a member that need no brokers; with them: tests/integration/test_replica_membership."""

import socket

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.coordination import Coordination, Group, Listener, sticky
from relay.kafka.failures import KafkaFailure


async def test_why_there_is_nobody_to_join_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = Connection(bootstrap_servers=(f"127.0.0.1:{server.getsockname()[1]}",))
    with pytest.raises(KafkaFailure) as raised:
        await Coordination.start(connection, Group(name="relay", topic="intake"), sticky(), None)
    assert raised.value.reason is Reason.CONNECT


async def test_what_a_listener_raises_is_kept_since_the_library_swallows_it():
    def fail(*_):
        raise AttributeError("a bug")

    listener = Listener(revoked=fail, assigned=fail)
    assert listener.bug is None
    await listener.on_partitions_revoked(set())
    assert isinstance(listener.bug, AttributeError)
    listener.bug = None
    listener.on_partitions_assigned(set())
    assert isinstance(listener.bug, AttributeError)


def test_what_one_member_has_is_not_taken_for_anothers():
    one, other = sticky(), sticky()
    one.on_assignment(ConsumerProtocolMemberAssignment(0, [("intake", [0, 1])], b""))
    one.on_generation_assignment(7)
    assert one.parse_member_metadata(one.metadata(["intake"])).generation == 7
    assert other.parse_member_metadata(other.metadata(["intake"])).partitions == []
