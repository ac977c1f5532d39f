"""What a migration to Kafka means for marks of the ledger, and for the topics that jobs are read from."""

from collections.abc import Collection, Mapping

from relay.core.standstill import MARK as SINK_MARK
from relay.errors import ConfigError, Reason
from relay.intake.offsets import MARK as INTAKE_MARK
from relay.intake.offsets import Offsets
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import Reader
from relay.kafka.topics import Topic, describe_topic
from relay.ledger.kafka.migration import MarkRules
from relay.shard.poller import WAIT_MARK
from relay.shard.renewal import TOKEN_MARK
from relay.shard.writer import PROBE_MARK

FETCH_SECONDS = 0.5
RECORDS_MAX = 100


async def mark_rules(
    connection: Connection, marks: Mapping[str, bytes], *, intake_topic: str, partitions: int
) -> MarkRules:
    """`intake_topic`: what is read from now on. Raises ConfigError: jobs in a topic would be lost; KafkaFailure."""
    ended = [PROBE_MARK]
    for name in topics_read(marks):
        topic = await _describe(connection, name)
        if topic is not None and name == intake_topic:
            check_partitions(topic, partitions)
            continue
        if topic is not None:
            await _check_read(connection, topic, marks)
        ended.append(f"{INTAKE_MARK}{name}/")
    return MarkRules(
        to_account=(TOKEN_MARK, WAIT_MARK),
        everywhere=(SINK_MARK,),
        to_number=(f"{INTAKE_MARK}{intake_topic}/",),
        left_out=ended,
    )


def topics_read(marks: Collection[str]) -> Collection[str]:
    """The topics of which these marks tell how far they were read."""
    names = (name.removeprefix(INTAKE_MARK).rpartition("/")[0] for name in marks if name.startswith(INTAKE_MARK))
    return sorted(set(names))


def check_partitions(topic: Topic, partitions: int) -> None:
    """Raises ConfigError."""
    if topic.partitions != partitions:
        raise ConfigError(
            f"intake.kafka.topic: {topic.name} has {topic.partitions} partitions, and must have as many as the ledger, "
            f"{partitions}: name another one, let the relay so far read this one to its end, and do this again"
        )


async def _describe(connection: Connection, name: str) -> Topic | None:
    """None: there is none any more."""
    try:
        return await describe_topic(connection, name, create=False)
    except KafkaFailure as failure:
        if failure.reason is Reason.NOT_FOUND:
            return None
        raise


async def _check_read(connection: Connection, topic: Topic, marks: Mapping[str, bytes]) -> None:
    """Raises ConfigError: there are records that nobody has read, and nobody would."""
    offsets = Offsets(topic.name, marks)
    reader = await Reader.open(connection, topic, {} if offsets.replaced(topic) else offsets.saved)
    try:
        ends = await reader.ends()
        while any(position < ends[number] for number, position in (await reader.positions()).items()):
            if await reader.fetch(RECORDS_MAX, FETCH_SECONDS):
                raise ConfigError(
                    f"intake.kafka.topic: topic {topic.name} holds jobs that were not read yet, and nobody would any "
                    "more: start the relay so far until it has read them, stop it, and do this again"
                )
    finally:
        await reader.close()
