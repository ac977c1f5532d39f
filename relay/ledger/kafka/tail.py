"""Reads a partition of the topic into its image, up to where the log ends.

The end is a position and not a record: the last offsets may be markers of transactions, or compacted away, and no
record would ever come from there.
"""

import asyncio

from relay.errors import LedgerUnusable, Reason, Undecipherable
from relay.kafka.closing import within
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import OutOfRange, Reader
from relay.kafka.topics import Topic
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.records import Read, Record, from_records

RECORDS_MAX = 2_000  # deciphered without a pause
FETCH_SECONDS = 0.5
STANDSTILL_SECONDS_MAX = 15.0
WRITE_SECONDS_MAX = 30.0
NOTHING = from_records([])


class Tail:
    """Of one partition. Calls raise KafkaFailure, LedgerError, or LedgerUnusable: a record of a newer relay.

    `changed`: whether the image has got anything from the log since somebody last said False, also where reading failed
    afterwards.
    """

    def __init__(self, connection: Connection, topic: Topic, partition: int, image: Image) -> None:
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._image = image
        self.changed = False

    async def catch_up(self) -> None:
        """Read until the image is at the end that the log has now."""
        try:
            await self._catch_up()
        except OutOfRange:  # the image is of a log that has been lost, at least in part
            self.changed = True
            await self._image.start_over()
            await self._catch_up()

    async def _catch_up(self) -> None:
        known = {} if self._image.offset is None else {self._partition: self._image.offset}
        reader = await Reader.open(self._connection, self._topic, known, partitions=[self._partition])
        try:
            end = (await reader.ends())[self._partition]
            if known and known[self._partition] > end:
                raise OutOfRange(known)
            await self._read_to(end, reader)
        finally:
            await reader.close()
        await self._image.settle()

    async def _read_to(self, end: int, reader: Reader) -> None:
        """One part is written while the next is read and deciphered."""
        position = await self._position(reader)
        writing = asyncio.create_task(self._image.apply(NOTHING, position, at_end=position >= end))
        try:
            while position < end:
                read, position = await self._next(reader, position)
                self.changed |= bool(read.keys)
                await writing
                writing = asyncio.create_task(self._image.apply(read, position, at_end=position >= end))
            await writing
        finally:
            await within(WRITE_SECONDS_MAX, writing)

    async def _next(self, reader: Reader, position: int) -> tuple[Read, int]:
        """What stands from this position to another one, beyond it; there may be no record between them."""
        give_up_at = asyncio.get_running_loop().time() + STANDSTILL_SECONDS_MAX
        while asyncio.get_running_loop().time() < give_up_at:
            records = [Record(one.key or b"", one.value) for one in await reader.fetch(RECORDS_MAX, FETCH_SECONDS)]
            reached = await self._position(reader)
            if reached > position:
                return self._decipher(records, reached), reached
            await reader.ends()  # or it is gone
        raise KafkaFailure(Reason.TIMEOUT, f"{self._topic.name}/{self._partition} cannot be read beyond {position}")

    def _decipher(self, records: list[Record], offset: int) -> Read:
        try:
            return from_records(records)
        except Undecipherable as error:
            raise LedgerUnusable(f"{self._topic.name}/{self._partition} before {offset}: {error}") from error

    async def _position(self, reader: Reader) -> int:
        return (await reader.positions())[self._partition]
