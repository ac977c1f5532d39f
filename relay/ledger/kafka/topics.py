"""The ledger's topic, and the intake's, partitioned alike: made the way they must be, or looked at and refused."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from relay.errors import LedgerUnusable
from relay.kafka.closing import start_within, within
from relay.kafka.connection import CLOSE_SECONDS_MAX, Connection
from relay.kafka.failures import told
from relay.kafka.topics import Topic, describe_topic

RECORD_BYTES_MAX = 2 * 1024 * 1024
ADMINISTER_SECONDS_MAX = 20.0
APPEAR_TRIES_MAX = 50
APPEAR_PAUSE_SECONDS = 0.1

BEST = -1  # as a number of replicas
REPLICAS, IN_SYNC_MIN = 3, 2  # one broker may be away, and another may be lost
NOT_ALLOWED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)

POLICY, RETENTION = "cleanup.policy", "delete.retention.ms"


class NoSuchTopic(LedgerUnusable):
    """It is not there, and was not to be made, or may not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A setting as it is made, and what else is good: `bound` in words for people."""

    value: str
    bound: str
    allows: Callable[[str], bool]


def _exactly(value: str) -> Rule:
    return Rule(value=value, bound=f"exactly {value}", allows=lambda found: found == value)


def _at_most(value: float) -> Rule:
    return Rule(value=str(value), bound=f"at most {value}", allows=lambda found: float(found) <= value)


def _at_least(value: float) -> Rule:
    return Rule(value=str(value), bound=f"at least {value}", allows=lambda found: float(found) >= value)


def _for_ever_or_at_least(value: float) -> Rule:
    return Rule(
        value=str(value), bound=f"at least {value}, or -1", allows=lambda found: found == "-1" or float(found) >= value
    )


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        # With `delete` in it, live rows, offsets and dead letters would be gone after retention.ms.
        POLICY: _exactly("compact"),
        # What is in the newest segment is never compacted, and all of it is read at a start.
        "segment.ms": _at_most(10 * 60 * 1_000),
        "min.cleanable.dirty.ratio": _at_most(0.1),
        "max.compaction.lag.ms": _at_most(30 * 60 * 1_000),
        # An image that missed tombstones would bring rows back; see image.py.
        RETENTION: _at_least(24 * 60 * 60 * 1_000),
        "max.message.bytes": _at_least(RECORD_BYTES_MAX),
    }
)
"""See https://kafka.apache.org/documentation/#topicconfigs"""

INTAKE_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        # The key is the account: compacted, only the newest of its jobs would be left.
        POLICY: _exactly("delete"),
        # What waits for a partition without an owner, or for a ledger that is full, must still be there.
        "retention.ms": _for_ever_or_at_least(7 * 24 * 60 * 60 * 1_000),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTopic:
    """A topic that has passed. `tombstones_kept_seconds`: how long whoever reads has time to see that a row is gone."""

    topic: Topic
    tombstones_kept_seconds: float


async def ensure_both(connection: Connection, ledger: str, intake: str, *, partitions: int) -> LedgerTopic:
    """The ledger's topic and the intake's. Both are looked at before one is made: who named another number of
    partitions than one of them has does not find the other made with it, for good.

    Raises LedgerUnusable, KafkaFailure.
    """
    for look, name in ((ensure, ledger), (ensure_intake, intake)):
        with suppress(NoSuchTopic):
            await look(connection, name, partitions=partitions, create_replicas=None)
    topic = await ensure(connection, ledger, partitions=partitions, create_replicas=BEST)
    await ensure_intake(connection, intake, partitions=partitions, create_replicas=BEST)
    return topic


async def ensure(connection: Connection, name: str, *, partitions: int, create_replicas: int | None) -> LedgerTopic:
    """The topic as it is; where there is none, made first with so many replicas (None: do not make it; BEST: as
    many as production wants, if there are so many brokers).

    Raises LedgerUnusable: it is not as it must be, or is not there; KafkaFailure.
    """
    topic, settings = await _ensure(connection, name, partitions, create_replicas, RULES)
    return LedgerTopic(topic=topic, tombstones_kept_seconds=float(settings[RETENTION]) / 1_000)


async def ensure_intake(connection: Connection, name: str, *, partitions: int, create_replicas: int | None) -> Topic:
    """The same of the topic that jobs come from: whoever owns a partition of the ledger reads that of its number."""
    topic, _ = await _ensure(connection, name, partitions, create_replicas, INTAKE_RULES)
    return topic


async def _ensure(
    connection: Connection, name: str, partitions: int, create_replicas: int | None, rules: Mapping[str, Rule]
) -> tuple[Topic, Mapping[str, str]]:
    settings = await _settings(connection, name, rules)
    if settings is None and create_replicas is not None:
        await _create(connection, name, partitions, create_replicas, rules)
        settings = await _appeared(connection, name, rules)
    if settings is None:
        wanted = ", ".join(f"{setting}={rule.value}" for setting, rule in rules.items())
        raise NoSuchTopic(f"there is no topic {name}: create it, with {partitions} partitions and {wanted}")
    topic = await describe_topic(connection, name, create=False)
    found = list(faults(topic, settings, partitions, rules))
    if found:
        raise LedgerUnusable(f"topic {name}: " + "; ".join(found))
    return topic, settings


def faults(
    topic: Topic, settings: Mapping[str, str], partitions: int, rules: Mapping[str, Rule] = RULES
) -> Iterator[str]:
    """What is not as it must be, for people: setting, value, and what it must be."""
    if topic.partitions != partitions:
        yield (
            f"it has {topic.partitions} partitions, and must have {partitions}: "
            "an account belongs to one partition for good, so their number must never change"
        )
    for name, rule in rules.items():
        if not rule.allows(settings[name]):
            yield f"{name} is {settings[name]}, and must be {rule.bound}"


async def _settings(connection: Connection, name: str, rules: Mapping[str, Rule]) -> Mapping[str, str] | None:
    """None: there is no such topic."""
    resource = ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(rules))
    async with _administration(connection) as admin:
        [answer] = await admin.describe_configs([resource])
        [(code, _, _, _, found)] = answer.resources
        error = for_code(code)
        if error is UnknownTopicOrPartitionError:
            return None
        if error is not NoError:
            raise error(name)
    return {setting: value for setting, value, *_ in found}


async def _create(connection: Connection, name: str, partitions: int, replicas: int, rules: Mapping[str, Rule]) -> None:
    """A refusal of those who may not is left to be told as a topic that is not there."""
    settings = {setting: rule.value for setting, rule in rules.items()}
    async with _administration(connection) as admin:
        if replicas == BEST:
            replicas = min(REPLICAS, len(admin._client.cluster.brokers()))  # noqa: SLF001 - there is no other way
            if replicas == REPLICAS:
                settings["min.insync.replicas"] = str(IN_SYNC_MIN)
        answer = await admin.create_topics([NewTopic(name, partitions, replicas, topic_configs=settings)])
        [(_, code, text)] = answer.topic_errors
        error = for_code(code)
        if error not in {NoError, TopicAlreadyExistsError, *NOT_ALLOWED}:  # exists: another replica was faster
            raise error(text)


async def _appeared(connection: Connection, name: str, rules: Mapping[str, Rule]) -> Mapping[str, str] | None:
    """A broker may not know at once what the controller has made."""
    for _ in range(APPEAR_TRIES_MAX):
        settings = await _settings(connection, name, rules)
        if settings is not None:
            return settings
        await asyncio.sleep(APPEAR_PAUSE_SECONDS)
    return None


@asynccontextmanager
async def _administration(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for a moment. What fails in here comes out as KafkaFailure."""
    with told():
        await connection.reach()  # the client itself would only say that it could not start
        admin = AIOKafkaAdminClient(**connection.client_arguments())
        try:
            async with asyncio.timeout(ADMINISTER_SECONDS_MAX):
                await start_within(ADMINISTER_SECONDS_MAX, admin.start(), admin.close)
                await _controller_known(admin)
                yield admin
        finally:
            await within(CLOSE_SECONDS_MAX, admin.close())


async def _controller_known(admin: AIOKafkaAdminClient) -> None:
    """Brokers may not know it while they elect one; without it, aiokafka fails with an AttributeError."""
    client = admin._client  # noqa: SLF001 - there is no other way
    while client.cluster.controller is None:
        await asyncio.sleep(APPEAR_PAUSE_SECONDS)
        await client.force_metadata_update()
