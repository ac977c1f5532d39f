"""A replica that cannot begin yet, or cannot at all: it says so, and nobody takes it for dead."""

import asyncio
import signal

import pytest
from integration import peers
from integration.processes import Relay, until, write_config
from kafka.broker import free_ports

ACCOUNT = {
    "name": "acme",
    "base_url": "http://127.0.0.1:9",
    "allow_http": True,
    "auth": {"kind": "bearer", "token": "none"},
}


def free_port():
    return free_ports(1)[0]


def config_of(folder, bootstrap, *, port=0, **ledger):
    return write_config(
        folder,
        server={"listen": f"127.0.0.1:{port}"},
        accounts=[ACCOUNT],
        kafka={"bootstrap_servers": bootstrap},
        ledger={"kind": "kafka", "partitions": 2, "path": str(folder), **ledger},
        intake={"kafka": {"topic": ledger.get("topic", "relay") + ".intake"}},
    )


async def test_without_a_broker_it_waits_says_so_and_can_be_ended(tmp_path):
    port = free_port()
    relay = await Relay.start(config_of(tmp_path, f"127.0.0.1:{free_port()}", port=port))
    try:
        await relay.logged("kafka.unavailable", seconds=60)
        async with peers.client() as session:
            url = f"http://127.0.0.1:{port}"
            for path, status in (("/livez", 200), ("/readyz", 503), ("/metrics", 200), ("/v1/jobs", 503)):
                async with session.get(url + path) as answer:
                    assert answer.status == status, path
            async with session.post(f"{url}/v1/jobs", json={"id": "V3-1"}) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
                assert (await answer.json())["code"] == "ledger_unavailable"
        relay.signal(signal.SIGTERM)
        assert await relay.ended(10) == 0
        assert list(relay.complaints("kafka.unavailable")) == []
    finally:
        await relay.kill()


async def test_it_goes_on_by_itself_when_the_broker_comes(tmp_path, broker, kafka):
    broker.kill()
    relay = await Relay.start(config_of(tmp_path, kafka, topic=f"late-{free_port()}"))
    try:
        await relay.logged("kafka.unavailable", seconds=60)
        await asyncio.to_thread(broker.start)
        await relay.ready()
        await relay.logged("partition.taken", count=2, seconds=60)
        assert sum(one["event"] == "kafka.unavailable" for one in relay.log) == 1
    finally:
        await relay.kill()


async def test_topics_are_made_and_another_number_of_partitions_is_refused(tmp_path, kafka, topics):
    name = f"ledger-{free_port()}"
    relay = await Relay.start(config_of(tmp_path, kafka, topic=name))
    await relay.ready()
    await relay.kill()
    assert {name, f"{name}.intake"} <= set(await topics.names())
    relay = await Relay.start(config_of(tmp_path, kafka, topic=name, partitions=3))
    assert await relay.ended(60) == 2
    assert f"topic {name}: it has 2 partitions, and must have 3" in relay.stderr


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [("cleanup.policy", "delete", "must be exactly compact"), ("segment.ms", "604800000", "must be at most 600000")],
)
async def test_a_topic_of_another_policy_is_refused(tmp_path, kafka, topics, setting, value, told):
    name = f"ledger-{free_port()}"
    await topics.create_named(name, partitions=2, configs={"cleanup.policy": "compact", setting: value})
    relay = await Relay.start(config_of(tmp_path, kafka, topic=name))
    assert await relay.ended(60) == 2
    assert f"{setting} is {value}, and {told}" in relay.stderr


async def test_two_replicas_do_not_share_a_folder(tmp_path, kafka):
    config = config_of(tmp_path, kafka, topic=f"ledger-{free_port()}")
    first = await Relay.start(config)
    try:
        await first.ready()
        second = await Relay.start(config)
        assert await second.ended(60) == 2
        assert "ledger.path" in second.stderr
        await until(lambda: first.url, 1, "the first goes on")
    finally:
        await first.kill()
