"""Takes a partition and commits batch after batch, as a process of its own; says so line by line.

`open`, then the number of each batch once it is committed, at last `lost`.
"""

import asyncio
import sys
from pathlib import Path

from kafka.partitions import Partitions

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.record import Batch
from relay.errors import LedgerLost
from relay.kafka.connection import Connection, quiet_library
from relay.kafka.topics import describe_topic
from relay.ledger.kafka.topics import ensure

JOBS = 40  # in each batch, each with a delivery


def batch(life: str, number: int) -> Batch:
    jobs = [Job(account="acme", id=f"{life}-{number}-{each}", tracked_at=100.0) for each in range(JOBS)]
    deliveries = [
        Delivery(account="acme", job_id=job.id, tracked_at=100.0, sink="s", sequence=1, since=1.0, due_at=1.0)
        for job in jobs
    ]
    return Batch(jobs=jobs, deliveries=deliveries, unknown=[job.key for job in jobs], marks={life: b"%d" % number})


async def main(bootstrap: str, cluster: str, topic: str, partition: str, folder: str, life: str) -> None:
    quiet_library()
    connection = Connection(bootstrap_servers=(bootstrap,))
    partitions = (await describe_topic(connection, topic, create=False)).partitions
    found = await ensure(connection, topic, partitions=partitions, create_replicas=None)
    ledger = Partitions(connection, found, cluster).ledger(Path(folder), int(partition))
    await ledger.open()
    print("open", flush=True)
    number = 0
    try:
        while True:
            await ledger.commit(batch(life, number))
            print(number, flush=True)
            number += 1
    except LedgerLost:
        print("lost", flush=True)
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
