"""How the accounts of a shard stand."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile

from relay.core.standing import AccountStanding
from relay.core.watch import Watch
from relay.errors import Reason
from relay.shard.live import Live
from relay.shard.ports import Clock, Polling
from relay.shard.post import Post
from relay.shard.waiting import in_turns

AT_RISK_AGE = 0.75  # of the time after which a job expires
AT_RISK_UNSEEN_SECONDS = 600.0


class Standings:
    """`posts`: by configured account. `polling`: of an account, configured or not."""

    def __init__(
        self, *, live: Live, posts: Mapping[str, Post], polling: Callable[[str], Polling], clock: Clock
    ) -> None:
        self._live = live
        self._posts = posts
        self._polling = polling
        self._clock = clock

    async def all(self) -> Sequence[AccountStanding]:
        """Each account that is configured or has live jobs; of very many, not all at the same moment."""
        names = dict.fromkeys((*self._posts, *self._live.accounts()))
        return [standing async for name in in_turns(names) for standing in self._of(name)]

    def _of(self, name: str) -> Iterator[AccountStanding]:
        """Nothing, where the account has left meanwhile."""
        now, wall = self._clock.monotonic(), self._clock.now()
        post = self._posts.get(name)
        if post is not None:
            yield self._configured(post, now, wall)
        elif self._live.size(name):
            yield self._stranger(name, wall)

    def _configured(self, post: Post, now: float, wall: float) -> AccountStanding:
        name = post.account.name
        oldest = post.oldest()
        return AccountStanding(
            name=name,
            live_jobs=self._live.size(name),
            limit=post.pacer.limit,
            remaining=post.pacer.remaining,
            ceiling_per_minute=post.account.rate.max_requests_per_minute,
            trouble=post.trouble,
            stale_seconds=0.0 if oldest is None else _unseen_for(oldest, now, wall),
            at_risk=sum(_unseen_for(watch, now, wall) > AT_RISK_UNSEEN_SECONDS for watch in self._old(name, wall)),
        )

    def _stranger(self, name: str, wall: float) -> AccountStanding:
        oldest = next(self._live.of(name))
        return AccountStanding(
            name=name,
            live_jobs=self._live.size(name),
            trouble=Reason.ACCOUNT_NOT_CONFIGURED,
            stale_seconds=max(0.0, wall - oldest.job.tracked_at),
            at_risk=sum(1 for _ in self._old(name, wall)),
        )

    def _old(self, account: str, wall: float) -> Iterator[Watch]:
        """The account's jobs of which little time is left before they expire."""
        limit = wall - AT_RISK_AGE * self._polling(account).expire_after_seconds
        return takewhile(lambda watch: watch.job.tracked_at < limit, self._live.of(account))


def _unseen_for(watch: Watch, now: float, wall: float) -> float:
    """Seconds since the last look, or since it was tracked. `now`: monotonic."""
    return max(0.0, wall - watch.job.tracked_at if watch.looked_at == -math.inf else now - watch.looked_at)
