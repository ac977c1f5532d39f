"""Which account is woken when. All times are monotonic seconds."""

import heapq
import math
from collections.abc import Sequence

STALE_MAX = 64  # outdated heap entries to put up with before it is made anew


class Agenda:
    """When to wake which account: a heap with one valid entry per account."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._at: dict[str, float] = {}

    def set(self, account: str, moment: float) -> None:
        """Wake the account then, instead of whenever it was; infinity: not at all."""
        if self._at.get(account) == moment:
            return
        if moment == math.inf:
            self._at.pop(account, None)
            return
        self._at[account] = moment
        heapq.heappush(self._heap, (moment, account))
        if len(self._heap) > 4 * len(self._at) + STALE_MAX:
            self._heap = [(at, name) for name, at in self._at.items()]
            heapq.heapify(self._heap)

    def at(self, account: str) -> float:
        return self._at.get(account, math.inf)

    def next_at(self) -> float:
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float, most: float = math.inf) -> Sequence[str]:
        """At most so many accounts whose time has come, each once, the earliest first; asleep until `set` again."""
        accounts: list[str] = []
        while len(accounts) < most and self.next_at() <= now:
            _, account = heapq.heappop(self._heap)
            del self._at[account]
            accounts.append(account)
        return accounts
