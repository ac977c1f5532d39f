"""Reads a partition of the topic into its image, up to where the log ends.

The end is a position and not a record: the last offsets may be markers of transactions, or compacted away, and no
record would ever come from there.
"""

import asyncio

from relay.errors import LedgerUnusable, Reason, Undecipherable
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import OutOfRange, Reader
from relay.kafka.topics import Topic
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.records import Record, from_records

RECORDS_MAX = 2_000  # deciphered without a pause
FETCH_SECONDS = 0.5
STANDSTILL_SECONDS_MAX = 15.0


class Tail:
    """Of one partition. Calls raise KafkaFailure, LedgerError, or LedgerUnusable: a record of a newer relay."""

    def __init__(self, connection: Connection, topic: Topic, partition: int, image: Image) -> None:
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._image = image

    async def catch_up(self) -> bool:
        """Read until the image is at the end that the log has now; whether it has changed."""
        try:
            return await self._catch_up()
        except OutOfRange:  # the image is of a log that has been lost, at least in part
            await self._image.start_over()
            await self._catch_up()
            return True

    async def _catch_up(self) -> bool:
        known = {} if self._image.offset is None else {self._partition: self._image.offset}
        reader = await Reader.open(self._connection, self._topic, known, partitions=[self._partition])
        changed = False
        try:
            end = (await reader.ends())[self._partition]
            if known and known[self._partition] > end:
                raise OutOfRange(known)
            while (position := await self._position(reader)) < end:
                changed |= await self._read_on(reader, position)
            await self._take_up([], position)
        finally:
            await reader.close()
        if changed:
            await self._image.settle()
        return changed

    async def _read_on(self, reader: Reader, position: int) -> bool:
        """From this position to another one, whether there are records or not; whether there were."""
        give_up_at = asyncio.get_running_loop().time() + STANDSTILL_SECONDS_MAX
        while asyncio.get_running_loop().time() < give_up_at:
            records = [Record(one.key or b"", one.value) for one in await reader.fetch(RECORDS_MAX, FETCH_SECONDS)]
            reached = await self._position(reader)
            if reached > position:
                await self._take_up(records, reached)
                return bool(records)
            await reader.ends()  # or it is gone
        raise KafkaFailure(Reason.TIMEOUT, f"{self._topic.name}/{self._partition} cannot be read beyond {position}")

    async def _take_up(self, records: list[Record], offset: int) -> None:
        try:
            read = from_records(records)
        except Undecipherable as error:
            raise LedgerUnusable(f"{self._topic.name}/{self._partition} before {offset}: {error}") from error
        await self._image.apply(read, offset)

    async def _position(self, reader: Reader) -> int:
        return (await reader.positions())[self._partition]
