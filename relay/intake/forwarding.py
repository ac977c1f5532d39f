"""Records of accounts that belong to another partition, from producers with keys of their own: sent on, once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from relay.errors import Reason
from relay.intake.dead_letters import Publish
from relay.intake.problems import Code
from relay.intake.records import FORWARDED, Contents, Order, Unreadable, Wish
from relay.kafka.producer import Record
from relay.kafka.publisher import NotPublished
from relay.kafka.reader import Message

AGAIN = "it was sent on to this partition, yet its account belongs to another: has the number of partitions changed?"
TOO_LARGE = "it belongs to another partition, and with the header that says so it is too large to be sent on"


class Misplaced(NamedTuple):
    message: Message
    account: str


class Sorted(NamedTuple):
    """`contents`: what is to be taken here. What is misplaced although it was sent on is among what is unreadable."""

    contents: Contents
    misplaced: Sequence[Misplaced]


class Forwarding:
    """`place`: from account to partition. `topic`: where they were read, and are written again.

    Those of one account may get another order among each other. What relay itself writes is never misplaced.
    """

    def __init__(self, publish: Publish, *, topic: str, place: Callable[[str], int]) -> None:
        self._publish = publish
        self._topic = topic
        self._place = place

    def sort(self, contents: Contents) -> Sorted:
        wishes = [one for one in contents.wishes if self._belongs(one)]
        orders = [one for one in contents.orders if self._belongs(one)]
        if len(wishes) == len(contents.wishes) and len(orders) == len(contents.orders):  # so it mostly is
            return Sorted(contents, ())
        misplaced: list[Misplaced] = []
        unreadable = list(contents.unreadable)
        everything: Sequence[Wish | Order] = [*contents.wishes, *contents.orders]
        for one in everything:
            if one.account is None or self._belongs(one):
                continue
            if any(name == FORWARDED for name, _ in one.message.headers):
                unreadable.append(Unreadable(one.message, Code.INVALID_FIELD, AGAIN))
            else:
                misplaced.append(Misplaced(one.message, one.account))
        return Sorted(Contents(wishes, orders, unreadable), misplaced)

    def _belongs(self, one: Wish | Order) -> bool:
        return one.account is None or self._place(one.account) == one.message.partition

    async def forward(self, misplaced: Sequence[Misplaced]) -> Sequence[Unreadable]:
        """Return when all are acknowledged but these, which cannot be sent on.

        Raises NotPublished: some may be sent; to send them again does no harm.
        """
        results = await asyncio.gather(*map(self._forward, misplaced), return_exceptions=True)
        refused: list[Unreadable] = []
        for one, failure in zip(misplaced, results, strict=True):
            if isinstance(failure, NotPublished) and failure.reason is Reason.REFUSED:
                refused.append(Unreadable(one.message, Code.BODY_TOO_LARGE, TOO_LARGE))
            elif isinstance(failure, BaseException):
                raise failure
        return refused

    async def _forward(self, one: Misplaced) -> None:
        headers = [*one.message.headers, (FORWARDED, b"1")]
        key, partition = one.account.encode(), self._place(one.account)
        await self._publish(
            Record(topic=self._topic, key=key, value=one.message.value, headers=headers, partition=partition)
        )
