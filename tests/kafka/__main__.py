"""`make kafka`: a broker of one's own for trying things by hand, with relay's topics."""

import asyncio
import contextlib
import signal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from kafka import jars
from kafka.broker import Cluster, running

TOPICS = ("relay.intake", "relay.intake.dead", "relay.events")

USAGE = """
Apache Kafka {version} runs at {bootstrap} with the topics {topics}. In config.yaml:

    kafka: {{bootstrap_servers: "{bootstrap}"}}
    intake: {{kafka: {{}}}}
    sinks: [{{name: bus, kind: kafka, events: ["*"]}}]

Read the events, and hand in a job, with kcat:

    kcat -b {bootstrap} -t relay.events -C -f '%k %h\\n%s\\n\\n'
    echo 'demo:{{"id": "V3-1"}}' | kcat -b {bootstrap} -t relay.intake -P -K:

Tests use it, too: RELAY_TEST_KAFKA={bootstrap} make test
Ctrl-C ends it, and nothing of it stays.
"""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # whoever started us may have had them ignored
    with contextlib.suppress(KeyboardInterrupt):
        _run()


def _run() -> None:
    if not jars.fetched():
        print(f"Fetching Apache Kafka {jars.version()} with Maven, once, to {jars.home()} …", flush=True)
    with running(jars.fetch()) as cluster:
        asyncio.run(_create_topics(cluster))
        print(USAGE.format(version=jars.version(), bootstrap=cluster.bootstrap, topics=", ".join(TOPICS)), flush=True)
        while True:
            signal.pause()


async def _create_topics(cluster: Cluster) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1) for topic in TOPICS])
    finally:
        await admin.close()


if __name__ == "__main__":
    main()
