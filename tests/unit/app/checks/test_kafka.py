import socket

import pytest

from relay.app.checks import Verdict
from relay.app.checks.kafka import Use, judge, try_kafka, uses
from relay.config import Config
from relay.kafka.topics import Topic

ACCOUNT = {"name": "acme", "base_url": "https://acme.zendesk.com", "auth": {"kind": "bearer", "token": "demo"}}


def config(**sections):
    return Config.model_validate(
        {
            "server": {"listen": "127.0.0.1:0"},
            "ledger": {"kind": "sqlite", "path": "x"},
            "accounts": [ACCOUNT],
            "kafka": {"bootstrap_servers": "kafka:9092"},
            **sections,
        }
    )


def test_every_topic_that_is_used_is_looked_at():
    sinks = [{"name": "bus", "kind": "kafka", "topic": "events"}, {"name": "console", "kind": "log"}]
    found = list(uses(config(intake={"kafka": {"topic": "in", "dead_letter_topic": "dead"}}, sinks=sinks)))
    assert found == [
        Use("intake", "kafka", "in", writes=False),
        Use("intake", "dead letters", "dead", writes=True),
        Use("sink", "bus", "events", writes=True),
    ]


async def test_without_kafka_there_is_nothing_to_say():
    assert await try_kafka(config(kafka=None)) == []


async def test_where_nobody_answers_that_is_all_there_is_to_say():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    sections = {"kafka": {"bootstrap_servers": address}, "sinks": [{"name": "bus", "kind": "kafka"}]}
    [finding] = await try_kafka(config(**sections))
    assert (finding.what, finding.name, finding.verdict) == ("kafka", address, Verdict.FAILED)
    assert finding.detail.startswith("connect: ")
    assert "start the broker" in finding.advice


@pytest.mark.parametrize(
    ("writes", "may_read", "may_write", "verdict"),
    [
        (False, True, False, Verdict.OK),
        (False, False, True, Verdict.FAILED),
        (True, False, True, Verdict.OK),
        (True, True, False, Verdict.FAILED),
    ],
)
def test_what_may_not_be_done_with_a_topic_is_told(writes, may_read, may_write, verdict):
    topic = Topic(name="jobs", partitions=3, may_read=may_read, may_write=may_write)
    finding = judge(Use("intake", "kafka", "jobs", writes=writes), topic)
    assert finding.verdict is verdict
    assert ("kafka-acls" in finding.advice) == (verdict is Verdict.FAILED)
