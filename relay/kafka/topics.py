"""What a broker says of a topic: its partitions, and the id that tells it from a later one of the same name."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka.errors import NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from relay.kafka.connection import Connection
from relay.kafka.failures import told

READ, WRITE = 3, 4  # bits of what a user may do: https://kafka.apache.org/documentation/#operations_in_kafka
UNTOLD = -(2**31)
METADATA = 3  # https://kafka.apache.org/protocol#The_Messages_Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """`id`: None where the broker tells none, as before Kafka 2.8. `may_…`: what the user's permissions say."""

    name: str
    partitions: int
    id: UUID | None = None
    may_read: bool = True
    may_write: bool = True


async def describe_topic(connection: Connection, name: str, *, create: bool) -> Topic:
    """One question to one broker. `create`: if there is no such topic, and the broker is set to create what is missing.

    Raises KafkaFailure.
    """
    with told():
        async with connection.connected() as broker:
            answer = await broker.send(_Describe(name, create=create))
        [(code, _, *rest)] = answer.topics
        error = for_code(code)
        if error is not NoError:
            raise error(name)
    if answer.API_VERSION < _DescribeResponse.API_VERSION:
        return Topic(name=name, partitions=len(rest[1]))
    topic_id, _, partitions, operations, _ = rest
    return Topic(
        name=name,
        partitions=len(partitions),
        id=topic_id,
        may_read=operations == UNTOLD or bool(operations >> READ & 1),
        may_write=operations == UNTOLD or bool(operations >> WRITE & 1),
    )


class _Uuid(AbstractType[UUID]):  # type: ignore[misc] # aiokafka is not typed
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_NONE = UUID(int=0)


class _DescribeResponse(Response):  # type: ignore[misc]
    """Version 10, the first that tells ids (KIP-516). aiokafka itself asks in version 5 at most."""

    API_KEY = METADATA
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync_replicas", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _DescribeStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = METADATA
    API_VERSION = 10
    RESPONSE_TYPE = _DescribeResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Describe(Request[MetadataRequest_v5 | _DescribeStruct]):  # type: ignore[misc]
    API_KEY = METADATA

    def __init__(self, topic: str, *, create: bool) -> None:
        self._topic = topic
        self._create = create

    def build(self, request_struct_class: Any) -> RequestStruct:  # noqa: ANN401 - as declared by aiokafka
        if request_struct_class is MetadataRequest_v5:
            return request_struct_class([self._topic], self._create)
        return request_struct_class([(_NONE, self._topic, {})], self._create, False, True, {})
