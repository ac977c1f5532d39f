"""The poll loop: wakes the account whose time has come, sends one request, hands what changed to the writer."""

import asyncio
import math
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, NamedTuple

from relay.core.agenda import Agenda
from relay.core.credentials import Credentials
from relay.core.hearing import Health, hear
from relay.core.poll import Poll
from relay.core.sighting import Sighting, sight
from relay.core.watch import Watch
from relay.core.zendesk import NO_RATE, RETRY_AFTER_SECONDS_MAX, Reply, Request, decipher, hearsay
from relay.errors import Reason, Unavailable
from relay.shard.intents import End, Note, Observe
from relay.shard.ports import Account, Settings, Surroundings
from relay.shard.post import Post
from relay.shard.renewal import TOKEN_MARK, Renewal
from relay.shard.suspension import Suspension
from relay.shard.waiting import wait_for
from relay.shard.writer import Writer

DENIED = frozenset({Reason.UNAUTHORIZED, Reason.FORBIDDEN})
VISITS_AT_ONCE = 12  # a few milliseconds; whoever else has something to do comes in between
WAIT_MARK = "wait:"  # + account: until when a Retry-After forbids requests, wall clock


class News(NamedTuple):
    """What a reply brought that is to be recorded. `seen`: the jobs of which it told something new.

    `gone`: a job that Zendesk does not know any more. `seen_at`: wall clock; `heard_at`: the same moment, monotonic.
    """

    seen: Sequence[tuple[Watch, Sighting]]
    seen_at: float
    gone: Watch | None
    heard_at: float


NO_NEWS = News((), 0.0, None, 0.0)


class Poller:
    """`suspension`: of requests. A token that is underway is not cut short: the one that it replaces may be dead."""

    def __init__(
        self,
        *,
        accounts: Sequence[Account],
        writer: Writer,
        settings: Settings,
        surroundings: Surroundings,
        random: Random,
    ) -> None:
        now = surroundings.clock.monotonic()
        self.posts: dict[str, Post] = {account.name: Post(account, now) for account in accounts}
        self._writer = writer
        self._settings = settings
        self._around = surroundings
        self._random = random
        self._renewal = Renewal(writer=writer, surroundings=surroundings)
        self.suspension = Suspension()
        self._stopping = False
        self._leaving: dict[str, Post] = {}
        self._agenda = Agenda()
        self._wake = asyncio.Event()
        self._sleeps_until = math.inf

    def add(self, watches: Iterable[Watch]) -> None:
        """Jobs to look at. Those of an account that is not configured wait until it is, or until they expire."""
        now, wall = self._around.clock.monotonic(), self._around.clock.now()
        joined: set[str] = set()
        for watch in watches:
            post = self.posts.get(watch.job.account)
            if post is not None:
                post.roster.add(watch, now, wall)
                joined.add(watch.job.account)
        for name in joined:
            self._set(self.posts[name])

    def resume(self, marks: Mapping[str, bytes]) -> None:
        """Honour the waits that an earlier process was told, and go on with its tokens."""
        for post in self.posts.values():
            self._resume(post, marks)

    def _resume(self, post: Post, marks: Mapping[str, bytes]) -> None:
        now, wall = self._around.clock.monotonic(), self._around.clock.now()
        until = marks.get(WAIT_MARK + post.account.name)
        if until is not None:
            post.pacer.wait_until(now + min(float(until) - wall, RETRY_AFTER_SECONDS_MAX))
        pair = marks.get(TOKEN_MARK + post.account.name)
        if pair is not None and post.credentials is not None:
            post.credentials.restore(pair, now, wall)

    def put(self, account: Account, marks: Mapping[str, bytes]) -> bool:
        """Send requests to this account, as it is configured now. True: it is new, and has no jobs yet."""
        now, wall = self._around.clock.monotonic(), self._around.clock.now()
        post = self.posts.get(account.name)
        if post is None:
            post = self.posts[account.name] = Post(account, now)
            self._resume(post, marks)
            return True
        post.reconfigure(account, now, wall)
        self._set(post)
        return False

    def remove(self, name: str) -> None:
        """Send no more requests to this account; those underway end as they would."""
        post = self.posts.pop(name, None)
        if post is not None:
            self._agenda.set(name, math.inf)
            self._leaving = {each: left for each, left in self._leaving.items() if left.requests} | {name: post}

    async def settled(self, names: Collection[str]) -> None:
        """Return when all is known that these accounts were asked before they were removed."""
        requests = [one for name in names if name in self._leaving for one in self._leaving[name].requests]
        if requests:
            await asyncio.wait(requests)

    def next_poll_at(self, account: str) -> float | None:
        """When the account's next request is expected, wall clock."""
        moment = self._agenda.at(account)
        if moment == math.inf:
            return None
        return self._around.clock.now() + max(0.0, moment - self._around.clock.monotonic())

    async def stop(self, seconds: float) -> None:
        """Send nothing more. A token that is underway is waited for, since the one that it replaces may be dead."""
        self._stopping = True
        posts = (*self.posts.values(), *self._leaving.values())
        renewals = [post.renewal for post in posts if post.renewal is not None]
        if renewals:
            await asyncio.wait(renewals, timeout=seconds)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as requests:
            while not self._stopping:
                self._around.beat("poller")
                await self._pause()
                if not self._writer.healthy.is_set():
                    await wait_for(self._writer.healthy)
                    continue
                if self.suspension.suspended:
                    await wait_for(self.suspension.lifted)
                    continue
                for name in self._agenda.due(self._around.clock.monotonic(), VISITS_AT_ONCE):
                    self._visit(self.posts[name], requests)

    async def _pause(self) -> None:
        """Until the next account is due, an earlier one turns up, or it is time for a sign of life."""
        self._wake.clear()
        self._sleeps_until = self._agenda.next_at()
        seconds = self._sleeps_until - self._around.clock.monotonic()
        if seconds > 0:
            await wait_for(self._wake, seconds)
        else:
            await asyncio.sleep(0)  # however many accounts are due, the others' replies come in between

    def _set(self, post: Post) -> None:
        if self.posts.get(post.account.name) is not post:
            return
        now = self._around.clock.monotonic()
        moment = post.next_at(now)
        if moment <= now and self._agenda.at(post.account.name) <= now:
            return  # it is due already, and keeps its place among those who are
        self._agenda.set(post.account.name, moment)
        held_up_seconds = post.held_up_seconds(now, moment)
        if held_up_seconds:
            self._around.metrics.rate_waited(post.account.name, held_up_seconds)
        if moment < self._sleeps_until:
            self._wake.set()

    def _visit(self, post: Post, requests: asyncio.TaskGroup) -> None:
        now = self._around.clock.monotonic()
        if post.next_at(now) <= now and not self._stopping:
            self._send(post, now, requests)
        self._set(post)

    def _send(self, post: Post, now: float, requests: asyncio.TaskGroup) -> None:
        """What the account is allowed now: its token where it needs one, or else a poll."""
        if post.credentials is not None and post.credentials.is_needed(now):
            post.renewal = self._begin(post, requests, self._renew(post, post.credentials))
            return
        poll = post.take(now)
        if poll is not None:
            post.pacer.sent(now)
            request = poll.request if post.credentials is None else post.credentials.sign(poll.request)
            self._begin(post, requests, self._ask(post, poll, request))

    def _begin(self, post: Post, requests: asyncio.TaskGroup, request: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = requests.create_task(request)
        post.requests.add(task)
        task.add_done_callback(post.requests.discard)
        return task

    async def _renew(self, post: Post, credentials: Credentials) -> None:
        refusal = await self._renewal.renew(post.account, credentials, post.pacer)
        post.renewal = None
        clock = self._around.clock
        outdated = post.credentials is not credentials
        if outdated and post.credentials is not None:
            post.credentials.succeed(credentials, clock.monotonic(), clock.now())
        if refusal is not None and not (outdated and refusal.reason in DENIED):
            self._stand_still(post, refusal, self._around.clock.monotonic())
            await self._keep_wait(post, refusal.retry_after_seconds)
        self._set(post)

    async def _ask(self, post: Post, poll: Poll, request: Request) -> None:
        clock, account = self._around.clock, post.account
        began = clock.monotonic()
        response = await self.suspension.unless(partial(account.zendesk.get, request))
        if response is None:
            self._cut_short(post, poll)
            return
        reply = decipher(request, response, clock.now())
        ended = clock.monotonic()
        post.pacer.heard(reply.rate, ended)
        post.pacer.wait_until(ended + (reply.retry_after_seconds or 0.0))
        self._around.metrics.request(post.account.name, reply.reason or "ok", ended - began)
        outdated = post.account is not account and reply.reason in DENIED
        if outdated or (post.credentials and post.credentials.heard(request.access_token, reply.reason)):
            post.again.append(poll)
            news = NO_NEWS
        else:
            news = self.apply(post, poll, reply if post.account is account else hearsay(reply))
        retry_after_seconds = reply.retry_after_seconds
        del reply, response  # what was parsed would fill memory and caches while its news wait to be recorded
        await self._tell(post, news)
        await self._keep_wait(post, retry_after_seconds)
        self._set(post)

    def _cut_short(self, post: Post, poll: Poll) -> None:
        """Zendesk may have counted it, and so does the budget. The same again, as soon as may be."""
        post.pacer.heard(NO_RATE, self._around.clock.monotonic())
        post.again.append(poll)
        self._set(post)

    def apply(self, post: Post, poll: Poll, reply: Reply) -> News:
        """Draw the consequences of a reply, for the jobs it speaks of and for the account; what is to be recorded."""
        now = self._around.clock.monotonic()
        ids_max = post.roster.limit.ids_max
        heard = hear(post.roster, poll, reply, now, in_trouble=post.trouble is not None)
        if heard.isolated is not None:
            self._say(post, "job.isolated", job=heard.isolated.job.id, reason=reply.reason, detail=reply.detail)
        if post.roster.limit.ids_max != ids_max:
            self._say(post, "account.batch_limit", ids_max=post.roster.limit.ids_max)
        match heard.health:
            case Health.WELL:
                post.pacer.succeeded()
                self._troubled(post, None, "")
            case Health.IN_TROUBLE:
                self._stand_still(post, reply, now)
        seen = self._looked(post, poll.watches, reply, now) if reply.found else ()
        return News(seen, self._around.clock.now(), heard.gone, now)

    def _looked(self, post: Post, seen: Sequence[Watch], reply: Reply, now: float) -> Sequence[tuple[Watch, Sighting]]:
        """Those of which something new is seen; all others wait for their next look."""
        found, encoded = reply.found, reply.encoded
        if len(found) < len(seen):
            seen = [watch for watch in seen if watch.job.id in found]
        self._around.metrics.looked([now - watch.unseen_since for watch in seen])
        # Compared as bytes: the usual case, nothing new, costs no more than that.
        changed = [watch for watch in seen if encoded[watch.job.id] != watch.job.job_status]
        if not changed:
            post.roster.looked(seen, now)
            return ()
        for watch in changed:
            post.roster.told(watch, found[watch.job.id], now)
        post.roster.looked(_without(seen, changed), now)
        return [(watch, sight(found[watch.job.id], encoded[watch.job.id])) for watch in changed]

    async def _tell(self, post: Post, news: News) -> None:
        if news.seen:
            await self._record(Observe(seen=news.seen, seen_at=news.seen_at, rules=self._settings.rules))
            # Not before: until it is recorded they would be asked for again, and told the same.
            post.roster.looked([watch for watch, _ in news.seen if not watch.ended], news.heard_at)
        if news.gone is not None:
            await self._record(End(watches=(news.gone,), too_old=False))

    def _stand_still(self, post: Post, reply: Reply, now: float) -> None:
        assert reply.reason is not None  # noqa: S101 - a complete reply is no trouble
        jitter = self._random.random()
        if reply.reason is Reason.RATE_LIMITED:
            post.pacer.rate_limited(reply.retry_after_seconds, now, jitter)
        elif reply.reason in DENIED:
            post.pacer.denied(now, jitter)
        else:
            post.pacer.failed(reply.retry_after_seconds, now, jitter)
        self._troubled(post, reply.reason, reply.detail)

    async def _keep_wait(self, post: Post, retry_after_seconds: float | None) -> None:
        """A wait that Zendesk imposed is durable before the account's next request."""
        if retry_after_seconds:
            until = self._around.clock.now() + retry_after_seconds
            await self._record(Note(name=WAIT_MARK + post.account.name, value=repr(until).encode()))

    async def _record(self, intent: Observe | End | Note) -> None:
        """What cannot be recorded now is seen again by a later poll."""
        try:
            await self._writer.submit(intent)
        except Unavailable as refusal:
            self._around.log.debug("poll.not_recorded", reason=refusal.reason)

    def _troubled(self, post: Post, reason: Reason | None, detail: str) -> None:
        """Say it once when an account comes to a stand, and once when it goes on."""
        before, post.trouble = post.trouble, reason
        if reason is before:
            return
        if reason is None:
            self._say(post, "account.resumed", was=before)
        else:
            self._around.log.warning("account.paused", account=post.account.name, reason=reason, detail=detail)

    def _say(self, post: Post, event: str, **fields: object) -> None:
        self._around.log.info(event, account=post.account.name, **fields)


def _without(watches: Sequence[Watch], some: Sequence[Watch]) -> Sequence[Watch]:
    left_out = set(map(id, some))
    return [watch for watch in watches if id(watch) not in left_out]
