"""One account as the poll loop sees it: its jobs, its budget, its credentials, and what is underway."""

import asyncio
import math
from collections import deque

from msgspec.structs import replace

from relay.core.credentials import Credentials
from relay.core.pacing import Pacer
from relay.core.poll import Poll
from relay.core.schedule import Roster
from relay.core.watch import Watch
from relay.errors import Reason
from relay.shard.ports import Account

BUDGET = frozenset({None, Reason.RATE_LIMITED})
"""In what trouble an account is whose requests are held up by its budget: in none other."""


class Post:
    """`trouble`: why the account stands still, None while it does not.

    `credentials`: None where no token needs to be asked for. `renewal`: asks for one; nothing else is sent meanwhile.
    `again`: what was turned away for the sake of an outdated token, or cut short, and goes first.
    `requests`: those underway.
    """

    def __init__(self, account: Account, now: float) -> None:
        self.account = account
        self.roster = Roster(account.polling.fresh_within_seconds, account.polling.lost_after_seconds)
        self.pacer = Pacer(account.rate, now)
        self.credentials = None if account.grant is None else Credentials(account.grant)
        self.renewal: asyncio.Task[None] | None = None
        self.again: deque[Poll] = deque()
        self.requests: set[asyncio.Task[None]] = set()
        self.trouble: Reason | None = None
        self.waited_until = now
        self.began_at = now

    def reconfigure(self, account: Account, now: float, wall: float) -> None:
        """Be this account from now on. Its jobs keep their places, and its budget what was learned and spent of it."""
        former, grant, self.account = self.credentials, self.account.grant, account
        self.roster.reconfigure(account.polling.fresh_within_seconds, account.polling.lost_after_seconds)
        self.pacer.reconfigure(account.rate)
        if account.grant != grant:
            self.credentials = None if account.grant is None else Credentials(account.grant)
            if self.credentials is not None and former is not None:
                self.credentials.succeed(former, now, wall)

    def next_at(self, now: float) -> float:
        gap = self.pacer.gap(now)
        allowed_at = math.inf if self.renewal else max(now, self.pacer.spaced_at(now, gap))
        if allowed_at == math.inf or self.again:
            return allowed_at
        return self.roster.next_at(allowed_at, gap)

    def held_up_seconds(self, now: float, until: float) -> float:
        """How long the next request, which goes at `until`, waits for the budget alone. Each second is told once."""
        if not now < until < math.inf or self.trouble not in BUDGET or self.pacer.next_at(now) < until:
            return 0.0
        wanted_at = now if self.again else self.roster.next_at(now, self.pacer.gap(now))
        since = max(wanted_at, self.waited_until)
        self.waited_until = max(until, self.waited_until)
        return max(0.0, until - since)

    def oldest(self) -> Watch | None:
        """Of the jobs that wait, the one of which nothing was heard for longest."""
        waiting = [self.roster.oldest(), *(poll.watches[0] for poll in self.again)]
        return min((watch for watch in waiting if watch is not None), key=lambda each: each.unseen_since, default=None)

    def take(self, now: float) -> Poll | None:
        """The next poll, when its time has come; None: nobody is left to ask about."""
        if not self.again:
            return self.roster.take(now, self.pacer.gap(now))
        while self.again:
            poll = self.again.popleft()
            watches = tuple(watch for watch in poll.watches if not watch.ended)
            if watches:
                return replace(poll, watches=watches)
            self.roster.turned_away(poll, now)
        return None
