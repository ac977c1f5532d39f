"""What is due to one endpoint, claimed page by page, each from where the last one ended.

While a page is read the endpoint works off the one before, so a page is as large as the endpoint is fast: beside a busy
event loop the ledger takes tens of milliseconds to answer.
"""

import math
from collections.abc import Collection, Sequence
from functools import partial

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.errors import LedgerError, Unavailable
from relay.shard.claims import Underway
from relay.shard.ports import Clock, Outbox
from relay.shard.waiting import IDLE_SECONDS
from relay.shard.writer import Writer

SIZE_MAX = 1_024
BYTES_MAX = 8 << 20  # what a page's jobs may tell, roughly
RETRY_SECONDS = 0.1  # until the writer is asked again, if it is not known to be out of order


class Pages:
    """`size`: how many deliveries should be claimed and not begun; `size_min` or more.

    `due_at`: when something else will be due, wall clock; -inf: nobody has looked, inf: nothing will.
    """

    def __init__(self, endpoint: str, *, size_min: int, outbox: Outbox, writer: Writer, clock: Clock) -> None:
        self.size = self._size_min = size_min
        self.due_at = -math.inf
        self._endpoint = endpoint
        self._outbox = outbox
        self._writer = writer
        self._clock = clock
        self._due = True  # whether the ledger may hold something that is due and not claimed
        self._last: Delivery | None = None  # that was read: the next page goes on behind it
        self._passed_at = math.inf  # when the earliest was due that was put back or passed over since

    @property
    def idle(self) -> bool:
        """Nothing is due that is not claimed, and nothing will be, as far as is known."""
        return not self._due and self.due_at == math.inf

    @property
    def waiting(self) -> bool:
        """Something may be due that is not claimed."""
        return self._due or self.due_at <= self._clock.now()

    def expect(self, due_at: float) -> bool:
        """Something will be due then. Whether that is earlier than what was known of."""
        before, self.due_at = self.due_at, min(due_at, self.due_at)
        return self.due_at < before

    def pass_over(self, rows: Collection[Delivery]) -> None:
        """These are due and not claimed."""
        self._due = self._due or bool(rows)
        self._passed_at = min([self._passed_at, *(row.due_at for row in rows)])

    def put_back(self, rows: Collection[Delivery]) -> None:
        """These were claimed, and the endpoint stands still: when it goes on it has to show anew how fast it is."""
        self.pass_over(rows)
        self.size = self._size_min

    def begin_anew(self) -> None:
        """Anything may be due."""
        self._due, self._last = True, None

    async def claim(self, ready: Collection[Underway], *, growing: bool) -> Sequence[Underway]:
        """The next page: as much of it as fills up those that are `ready`. Nothing where the ledger cannot be asked.

        `growing`: whether pages may become larger. An endpoint that only fails fast needs none.
        """
        now, limit = self._clock.now(), self.size - len(ready)
        after = None if self._last is None or self._passed_at <= self._last.due_at else self._last
        self._due, self._last, self._passed_at = False, None, math.inf
        taken: Sequence[Underway] = ()
        try:
            taken, rows = await self._writer.claim(partial(self._outbox.due, self._endpoint, now, limit, after=after))
            if len(rows) == limit:
                self._due, self._last = True, rows[-1][0]
                starved = after is not None and not ready and self._passed_at == math.inf
                self.size = self._fitting(rows, 2 * self.size if starved and growing else self.size)
            else:
                self.size = self._size_min
                await self._look_ahead(now)
        except Unavailable:
            self.due_at = now + RETRY_SECONDS
        except LedgerError:
            self.due_at = now + IDLE_SECONDS
        return taken

    def _fitting(self, rows: Sequence[tuple[Delivery, Job]], size: int) -> int:
        """As many, if they are as large as these."""
        told = sum(len(job.job_status or b"") for _, job in rows)
        return max(self._size_min, min(size, SIZE_MAX, len(rows) * BYTES_MAX // (told + 1)))

    async def _look_ahead(self, now: float) -> None:
        if self.due_at <= now:
            self.due_at = math.inf
            due_at = await self._outbox.next_due(self._endpoint, now)
            if due_at is not None:
                self.expect(due_at)
