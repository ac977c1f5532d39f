"""The floor of a replica: consume, produce as many records in a transaction, commit; it decides and keeps nothing.

    python tests/bench/distributed/bare.py BOOTSTRAP INTAKE LEDGER EVENTS COUNT

Prints how many jobs per second went through.
"""

import asyncio
import sys
import time

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from bench.samples import job_status

BATCH = 500  # as relay's
ROW = orjson.dumps(job_status(0, progress=10)) + bytes(300)  # about as large as a job's row
EVENT = orjson.dumps(job_status(0, progress=10)) + bytes(900)  # and as an event with its results


async def main(bootstrap: str, intake: str, ledger: str, events: str, count: int) -> None:
    consumer = AIOKafkaConsumer(
        intake, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", transactional_id=f"bare-{ledger}", max_batch_size=512 * 1024
    )
    async with consumer, producer:
        began, done = time.perf_counter(), 0
        while done < count:
            for records in (await consumer.getmany(timeout_ms=500, max_records=BATCH)).values():
                await _through(producer, records, ledger, events)
                done += len(records)
        print(count / (time.perf_counter() - began))


async def _through(producer: AIOKafkaProducer, records: list, ledger: str, events: str) -> None:
    """The job as it is taken, then as it has ended, and its event: two transactions, as in relay."""
    async with producer.transaction():
        await asyncio.gather(*[await producer.send(ledger, ROW, key=record.value) for record in records])
    async with producer.transaction():
        ended = [await producer.send(ledger, ROW, key=record.value) for record in records]
        told = [await producer.send(events, EVENT, key=record.value) for record in records]
        await asyncio.gather(*ended, *told)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:5], int(sys.argv[5])))
