"""Topics as tests make, fill and read them: a client of its own, which shares nothing with relay's."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.protocol.admin import CreateAclsRequest_v1
from aiokafka.protocol.api import Request

KNOWN_SECONDS_MAX = 20.0


PREFIXED, ALLOW = 4, 3


class Resource(IntEnum):
    """Of an ACL. See org.apache.kafka.common.resource.ResourceType; operations are those of AclOperation."""

    TOPIC = 2
    TRANSACTIONAL_ID = 5


class Operation(IntEnum):
    READ = 3
    WRITE = 4
    DESCRIBE = 8


class Message(NamedTuple):
    """What is produced. `key` None: to any partition."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None


class Topics:
    """`bootstrap`: as the client wants it. All calls raise aiokafka's own errors."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            async with asyncio.timeout(KNOWN_SECONDS_MAX):  # brokers that have just started may not know who it is
                while admin._client.cluster.controller is None:
                    await asyncio.sleep(0.02)
                    await admin._client.force_metadata_update()
            yield admin
        finally:
            await admin.close()

    async def create(
        self, purpose: str, *, partitions: int = 1, replicas: int = 1, configs: Mapping[str, str] | None = None
    ) -> str:
        """A new topic with a name that holds the purpose and that nobody else has."""
        name = f"{purpose}-{uuid.uuid4().hex[:12]}"
        await self.create_named(name, partitions=partitions, replicas=replicas, configs=configs)
        return name

    async def create_named(
        self, name: str, *, partitions: int = 1, replicas: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        topic = NewTopic(name, num_partitions=partitions, replication_factor=replicas, topic_configs=configs)
        async with self._admin() as admin:
            response = await admin.create_topics([topic])
            [(_, code, text)] = response.topic_errors
            assert code == 0, text
            await _until_told(admin, name, there=True)

    async def delete(self, name: str) -> None:
        async with self._admin() as admin:
            await admin.delete_topics([name])
            await _until_told(admin, name, there=False)

    async def grow(self, name: str, partitions: int) -> None:
        """To this many partitions in all."""
        async with self._admin() as admin:
            await admin.create_partitions({name: NewPartitions(partitions)})

    async def forget(self, name: str, before: int, *, partition: int = 0) -> None:
        """As retention does: the log starts at this offset from now on."""
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(name, partition): RecordsToDelete(before)})

    async def allow(self, user: str, resource: Resource, name: str, *operations: Operation) -> None:
        """Names beginning with this one."""
        async with self._admin() as admin:
            answer = await admin._send_to_controller(
                _Grant([(resource, name, PREFIXED, f"User:{user}", "*", each, ALLOW) for each in operations])
            )
        assert all(code == 0 for code, _ in answer.creation_responses), answer

    async def names(self) -> Sequence[str]:
        async with self._admin() as admin:
            names: Sequence[str] = await admin.list_topics()
        return names

    async def committed(self, group: str) -> dict[tuple[str, int], int]:
        """The offset by topic and partition, as tools that measure a lag see it."""
        async with self._admin() as admin:
            offsets = await admin.list_consumer_group_offsets(group)
        return {(place.topic, place.partition): found.offset for place, found in offsets.items()}

    async def produce(self, topic: str, *messages: Message | bytes, compression: str | None = None) -> None:
        """In this order, and each acknowledged."""
        async with self._producer(compression_type=compression) as producer:
            await _produce(producer, topic, messages)

    async def transact(self, topic: str, *messages: Message | bytes, commit: bool) -> None:
        """In a transaction that is committed, or aborted."""
        async with self._producer(transactional_id=f"tests-{uuid.uuid4()}") as producer:
            await producer.begin_transaction()
            await _produce(producer, topic, messages)
            await (producer.commit_transaction() if commit else producer.abort_transaction())

    def _producer(self, **settings: Any) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", max_request_size=8 * 1024 * 1024, **settings
        )

    async def read(self, topic: str, count: int, *, seconds: float = 20.0) -> list[ConsumerRecord[bytes, bytes]]:
        """The first so many records, in the order of each partition. Fewer, if there are no more in time."""
        return await self.read_until(topic, lambda records: len(records) >= count, seconds=seconds)

    async def read_until(
        self,
        topic: str,
        enough: Callable[[Sequence[ConsumerRecord[bytes, bytes]]], object],
        *,
        seconds: float = 20.0,
    ) -> list[ConsumerRecord[bytes, bytes]]:
        """From the start until they are enough, or the time is up."""
        records: list[ConsumerRecord[bytes, bytes]] = []
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        async with consumer:
            try:
                async with asyncio.timeout(seconds):
                    while not enough(records):
                        for found in (await consumer.getmany(timeout_ms=200)).values():
                            records.extend(found)
            except TimeoutError:
                pass
        return records


async def _until_told(admin: AIOKafkaAdminClient, name: str, *, there: bool) -> None:
    """The controller answers, and the brokers hear of it a moment later."""
    async with asyncio.timeout(KNOWN_SECONDS_MAX):
        while (name in await admin.list_topics()) is not there:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def _produce(producer: AIOKafkaProducer, topic: str, messages: Sequence[Message | bytes]) -> None:
    acknowledged = []
    for each in messages:
        message = Message(each) if isinstance(each, bytes) else each
        acknowledged.append(
            await producer.send(
                topic, message.value, key=message.key, headers=message.headers, partition=message.partition
            )
        )
    for future in acknowledged:
        await future


class _Grant(Request[CreateAclsRequest_v1]):  # aiokafka's own cannot be encoded
    API_KEY = CreateAclsRequest_v1.API_KEY

    def __init__(self, grants: Sequence[tuple[int, str, int, str, str, int, int]]) -> None:
        self._grants = grants

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return CreateAclsRequest_v1(self._grants)
