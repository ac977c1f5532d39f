"""Reads a partition of the topic into its image: once up to where the log ends, or on and on.

The end is a position and not a record: the last offsets may be markers of transactions, or compacted away, and no
record would ever come from there.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Never

from relay.errors import LedgerUnusable, Reason, Undecipherable
from relay.kafka.closing import within
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import Message, OutOfRange, Reader
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.reading import Read, from_records

RECORDS_MAX = 2_000  # deciphered without a pause
FETCH_SECONDS = 0.5
IDLE_SECONDS = 5.0  # so long nothing may come before it is asked whether the partition is still there
STANDSTILL_SECONDS_MAX = 15.0
WRITE_SECONDS_MAX = 30.0
NOTHING = from_records([])


class Illegible(LedgerUnusable):
    """A record that this version of relay cannot read: a newer one has written it. The text names both."""


class Tail:
    """Of one partition. Calls raise KafkaFailure, LedgerError, or Illegible.

    `changed`: whether the image has got anything from the log since somebody last said False, also where reading failed
    afterwards.
    """

    def __init__(self, partition: Partition, image: Image) -> None:
        self._partition = partition
        self._number = partition.number
        self._image = image
        self.changed = False

    async def catch_up(self) -> None:
        """Read until the image is at the end that the log has now."""
        try:
            await self._catch_up()
        except OutOfRange:  # the image is of a log that has been lost, at least in part
            self.changed = True
            await self._image.start_over()
            try:
                await self._catch_up()
            except OutOfRange as again:  # brokers that have just started may not know yet how much they have
                raise KafkaFailure(Reason.UNAVAILABLE, str(again)) from again

    async def follow(self, going_on: Callable[[], None]) -> Never:
        """Keep the image at the end, and say every few seconds that it is so. Also raises OutOfRange, which asks for
        an image that starts over.
        """
        reader = await self._open()
        try:
            position = await self._read_to_end(reader)
            while True:
                going_on()
                position = await self._take_up(reader, position)
        finally:
            await reader.close()

    async def _catch_up(self) -> None:
        reader = await self._open()
        try:
            await self._read_to_end(reader)
        finally:
            await reader.close()

    async def _open(self) -> Reader:
        partition, offset = self._partition, self._image.offset
        self._check_age()
        known = {} if offset is None else {self._number: offset}
        return await Reader.open(partition.connection, partition.topic.topic, known, partitions=[self._number])

    def _check_age(self) -> None:
        if self._image.outdated:
            raise OutOfRange({self._number: self._image.offset or 0})

    async def _read_to_end(self, reader: Reader) -> int:
        """Where that is. One part is written while the next is read and deciphered."""
        position = await self._position(reader)
        end = await self._end(reader, position)
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
        await self._image.settle()
        return position

    async def _take_up(self, reader: Reader, position: int) -> int:
        """What has come since, or nothing if there is none for a while; the position beyond it."""
        read, reached = await self._more(reader, position)
        at_end = self._image.end_wanted and reached >= await self._end(reader, reached)
        if at_end or reached > position:
            self.changed |= bool(read.keys)
            await self._image.apply(read, reached, at_end=at_end)
        if at_end:
            await self._image.settle()
        return reached

    async def _more(self, reader: Reader, position: int) -> tuple[Read, int]:
        """As `_next`, or nothing and the same position, if the log still ends there."""
        records = await reader.fetch(RECORDS_MAX, IDLE_SECONDS)
        self._check_age()  # this process may have stood still for very long
        reached = await self._position(reader)
        if reached > position:
            return self._decipher(records, reached), reached
        if await self._end(reader, position) > position:
            return await self._next(reader, position)
        return NOTHING, position

    async def _next(self, reader: Reader, position: int) -> tuple[Read, int]:
        """What stands from this position to another one, beyond it; there may be no record between them."""
        records, reached = await beyond(self._partition, reader, position)
        return self._decipher(records, reached), reached

    def _decipher(self, messages: Sequence[Message], offset: int) -> Read:
        try:
            return from_records((one.key or b"", one.value) for one in messages)
        except Undecipherable as error:
            raise Illegible(f"{self._partition.name} before {offset}: {error}") from error

    async def _position(self, reader: Reader) -> int:
        return (await reader.positions())[self._number]

    async def _end(self, reader: Reader, position: int) -> int:
        """Raises OutOfRange: it is before the position."""
        end = (await reader.ends())[self._number]
        if position > end:
            raise OutOfRange({self._number: position})
        return end


async def beyond(partition: Partition, reader: Reader, position: int) -> tuple[Sequence[Message], int]:
    """What stands from this position to another one, beyond it, and that one; there may be no record between them.

    Raises KafkaFailure: something stands there, and does not come.
    """
    give_up_at = asyncio.get_running_loop().time() + STANDSTILL_SECONDS_MAX
    while asyncio.get_running_loop().time() < give_up_at:
        records = await reader.fetch(RECORDS_MAX, FETCH_SECONDS)
        reached = (await reader.positions())[partition.number]
        if reached > position:
            return records, reached
        await reader.ends()  # or it is gone
    raise KafkaFailure(Reason.TIMEOUT, f"{partition.name} cannot be read beyond {position}")
