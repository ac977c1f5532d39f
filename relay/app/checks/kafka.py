"""Whether Kafka lets us in, and whether the topics are there and may be used. Nothing is written, nothing created."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import Any, NamedTuple

from relay.app import kafka
from relay.app.checks import Finding, Verdict
from relay.config import Config
from relay.config.kafka import KafkaLedger
from relay.config.sinks import KafkaSink
from relay.core.webhook import excerpt
from relay.errors import LedgerUnusable, Reason
from relay.kafka.connection import Connection
from relay.kafka.failures import ADVICE, KafkaFailure, told
from relay.kafka.topics import Topic, describe_topic
from relay.ledger.kafka.topics import LedgerTopic, NoSuchTopic, ensure, ensure_intake

MADE = "nothing, if relay may create topics: it does at its start"
SET = "set it as it must be, or name another topic"
CREATE = "create it, unless the brokers create topics by themselves (auto.create.topics.enable)"


class Use(NamedTuple):
    """What a topic is used for, and by whom: `what` and `name` as in a Finding."""

    what: str
    name: str
    topic: str
    writes: bool


async def try_kafka(config: Config) -> list[Finding]:
    """The brokers, and if they let us in each topic that is used. Raises ConfigError."""
    if config.kafka is None:
        return []
    connection = kafka.connection(config.kafka)
    servers = ", ".join(config.kafka.bootstrap_servers)
    began = time.monotonic()
    try:
        with told():
            await connection.reach()
    except KafkaFailure as failure:
        detail, advice = f"{failure.reason}: {excerpt(failure.detail)}", ADVICE.get(failure.reason, "")
        return [Finding(what="kafka", name=servers, verdict=Verdict.FAILED, detail=detail, advice=advice)]
    detail = f"lets us in, in {time.monotonic() - began:.2f} s"
    reached = Finding(what="kafka", name=servers, verdict=Verdict.OK, detail=detail)
    looks = [_try_topic(connection, use) for use in uses(config)]
    if isinstance(config.ledger, KafkaLedger) and config.kafka_intake is not None:
        looks += _ledger_looks(connection, config.ledger, config.kafka_intake.topic)
    return [reached, *await asyncio.gather(*looks)]


def _ledger_looks(connection: Connection, ledger: KafkaLedger, intake: str) -> Iterator[Coroutine[Any, Any, Finding]]:
    for name, topic, look in (("ledger", ledger.topic, ensure), ("intake", intake, ensure_intake)):
        yield _try_partitioned(name, topic, partial(look, connection, topic, partitions=ledger.partitions))


async def _try_partitioned(name: str, topic: str, look: Callable[..., Awaitable[LedgerTopic | Topic]]) -> Finding:
    """Whether a topic that accounts are dealt out over is as it must be, and may be read and written."""
    use = Use("ledger", name, topic, writes=True)
    try:
        found = await look(create_replicas=None)
    except KafkaFailure as failure:
        return _unusable(use, failure)
    except NoSuchTopic as missing:
        return Finding(what=use.what, name=name, verdict=Verdict.WARNING, detail=str(missing), advice=MADE)
    except LedgerUnusable as unusable:
        return Finding(what=use.what, name=name, verdict=Verdict.FAILED, detail=str(unusable), advice=SET)
    described = found.topic if isinstance(found, LedgerTopic) else found
    findings = [judge(use._replace(writes=writes), described) for writes in (False, True)]
    return next((one for one in findings if one.verdict is not Verdict.OK), findings[0])


def uses(config: Config) -> Iterator[Use]:
    intake = config.kafka_intake
    if intake is not None:
        if not isinstance(config.ledger, KafkaLedger):  # with which there is more to it
            yield Use("intake", "kafka", intake.topic, writes=False)
        yield Use("intake", "dead letters", intake.dead_letter_topic, writes=True)
    for sink in config.sinks:
        if isinstance(sink, KafkaSink):
            yield Use("sink", sink.name, sink.topic, writes=True)


async def _try_topic(connection: Connection, use: Use) -> Finding:
    try:
        topic = await describe_topic(connection, use.topic, create=False)
    except KafkaFailure as failure:
        return _unusable(use, failure)
    return judge(use, topic)


def _unusable(use: Use, failure: KafkaFailure) -> Finding:
    if failure.reason is Reason.NOT_FOUND:
        detail = f"there is no topic {use.topic}"
        return Finding(what=use.what, name=use.name, verdict=Verdict.WARNING, detail=detail, advice=CREATE)
    detail = f"topic {use.topic}: {failure.reason}: {excerpt(failure.detail)}"
    return Finding(
        what=use.what, name=use.name, verdict=Verdict.FAILED, detail=detail, advice=ADVICE.get(failure.reason, "")
    )


def judge(use: Use, topic: Topic) -> Finding:
    """What the topic's description means for its use."""
    if not (topic.may_write if use.writes else topic.may_read):
        operation = "write" if use.writes else "read"
        detail = f"topic {topic.name}: we may not {operation} it"
        advice = f"kafka-acls --add --operation {operation.title()} --topic {topic.name} --allow-principal …"
        return Finding(what=use.what, name=use.name, verdict=Verdict.FAILED, detail=detail, advice=advice)
    detail = f"topic {topic.name} is there, with {topic.partitions} partitions"
    return Finding(what=use.what, name=use.name, verdict=Verdict.OK, detail=detail)
