"""Other clients put an account's records where relay looks for them."""

import asyncio

from kafka.topics import Message

from relay.ledger.kafka.partitioning import partition_of

PARTITIONS = 12
ACCOUNTS = ["acme", "globex", "a", "büro-東京", "shop.example", "initech-2", "x" * 60]


async def test_kcat_and_relay_agree(kafka, topics, require):
    """With the partitioner of Java's clients. kcat's own default is another one, by CRC32."""
    topic = await topics.create("intake", partitions=PARTITIONS)
    kcat = await asyncio.create_subprocess_exec(
        require("kcat"),
        *("-b", kafka, "-t", topic, "-P", "-K", "\t", "-X", "topic.partitioner=murmur2_random"),
        stdin=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        await kcat.communicate("".join(f"{account}\tvalue\n" for account in ACCOUNTS).encode())
    assert kcat.returncode == 0
    records = await topics.read(topic, len(ACCOUNTS))
    assert {record.key.decode(): record.partition for record in records} == {
        account: partition_of(account, PARTITIONS) for account in ACCOUNTS
    }


async def test_keyed_records_of_our_own_producers_agree(topics):
    topic = await topics.create("intake", partitions=PARTITIONS)
    await topics.produce(topic, *(Message(b"value", key=account.encode()) for account in ACCOUNTS))
    records = await topics.read(topic, len(ACCOUNTS))
    assert all(record.partition == partition_of(record.key.decode(), PARTITIONS) for record in records)
