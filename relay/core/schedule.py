"""Who is looked at next, and when. One `Roster` per account packs its live jobs into full requests.

A job that was never looked at goes at once, or with others that come soon after where a request has just gone; where
more jobs wait than the budget can serve, by what it accrues like all others. When another look is worth a request, the
rule decides. A request that is sent is filled up, since it costs the same for 1 id as for 100. All times are monotonic
seconds.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from relay.core import rule
from relay.core.absence import Grace, begin_anew
from relay.core.batch_limit import BatchLimit
from relay.core.bisection import Bisection, Finding, Part
from relay.core.job import ENDED
from relay.core.poll import Poll
from relay.core.quarantine import Quarantine, begin_look
from relay.core.waiting import Waiting
from relay.core.watch import Apart, Watch, longest_unseen
from relay.core.zendesk import Endpoint


class Roster:
    """The live jobs of one account, as they wait for a look. Each is in one place only.

    `gap`, throughout: the seconds between two requests that the account's budget allows at present. `limit`: how many
    ids a request may hold. `grace`: when an absence is proven.
    """

    def __init__(self, fresh_within_seconds: float, lost_after_seconds: float) -> None:
        self.reconfigure(fresh_within_seconds, lost_after_seconds)
        self.limit = BatchLimit()
        self._waiting = Waiting()
        self._bisection = Bisection()
        self._quarantine = Quarantine()
        self._to_confirm: deque[Watch] = deque()
        self._alone_next = True
        self._others_next = False
        self._durations = rule.Median(rule.FIRST_DURATION)
        self._taken_at = -math.inf
        self._gap = 0.0

    def reconfigure(self, fresh_within_seconds: float, lost_after_seconds: float) -> None:
        """Keep to these from now on; every job keeps its place."""
        self.terms = rule.Terms.fresh(fresh_within_seconds)
        self.grace = Grace(seconds=lost_after_seconds, unseen_seconds_max=self.terms.unseen_max)
        self._fresh_within = fresh_within_seconds

    def add(self, watch: Watch, now: float, wall: float) -> None:
        """A job that this process has not looked at yet. `wall`: the time of its row, where `now` is monotonic."""
        job = watch.job
        watch.tracked_at = now - max(0.0, wall - job.tracked_at)
        watch.queued_at = watch.tracked_at if job.queued_at is None else now - max(0.0, wall - job.queued_at)
        if job.job_status is not None:
            watch.work_left = rule.work_left(orjson.loads(job.job_status))
        watch.asked_at = now
        self._waiting.add_new(watch, self._durations.value)

    def next_at(self, earliest: float, gap: float) -> float:
        """From `earliest` on, when the next request is worth sending; infinity if there is nobody to look at."""
        self._forget_ended()
        if self._to_confirm:
            return earliest
        shared_at = self._shared_at(earliest, gap)
        return min(shared_at, max(earliest, self._quarantine.due_at())) if self._quarantine else shared_at

    def _shared_at(self, earliest: float, gap: float) -> float:
        """The same of a request that several jobs share."""
        filled_at = self._filled_at(earliest, gap)
        return min(filled_at, max(earliest, self._bisection.due_at())) if self._bisection else filled_at

    def _filled_at(self, earliest: float, gap: float) -> float:
        """The same of a request for the jobs that gain most from it."""
        if not self._waiting:
            return math.inf
        size, new = self.limit.size(earliest), self._waiting.new
        if new >= size:
            return earliest
        due_at = self._waiting.due_at(earliest, self.terms.price_at(gap), self._limits(gap), size)
        return min(due_at, max(earliest, self._taken_at + self._fresh_within)) if new else due_at

    def _limits(self, gap: float) -> rule.Limits:
        return self.terms.limits_at(gap, len(self._waiting) / self.limit.ids_max)

    def oldest(self) -> Watch | None:
        """Of those that wait, the one of which nothing was heard for longest."""
        self._forget_ended()
        waiting = (watch for watch in (self._waiting.oldest(),) if watch is not None)
        return longest_unseen((*waiting, *self._to_confirm, *self._bisection, *self._quarantine))

    def take(self, now: float, gap: float) -> Poll | None:
        """The next request; its jobs are out of the roster until its reply is heard (`hearing.hear`)."""
        self._gap = gap
        self._forget_ended()
        somebody = self._to_confirm or (self._quarantine and self._quarantine.due_at() <= now)
        # In turns, or a thousand ids that Zendesk does not know would keep all others from being looked at.
        if somebody and (self._alone_next or self._shared_at(now, gap) > now):
            self._alone_next = False
            return self._take_alone(now)
        self._alone_next = True
        return (self._bisection and self._take_part(now, gap)) or self._fill(now, gap)

    def _take_alone(self, now: float) -> Poll:
        if self._to_confirm:
            return Poll(endpoint=Endpoint.SHOW, watches=(self._to_confirm.popleft(),), taken_at=now, confirms=True)
        watch = self._quarantine.take()
        assert watch.apart is not None  # noqa: S101 - it comes from the quarantine
        endpoint = begin_look(watch.apart, overdue=now >= self.grace.ends_at(watch))
        return Poll(endpoint=endpoint, watches=(watch,), taken_at=now)

    def _take_part(self, now: float, gap: float) -> Poll | None:
        """In doubt, every other request is about somebody else: that settles it, and nobody has to wait for it."""
        if self._others_next and self._bisection.in_doubt and self._filled_at(now, gap) <= now:
            self._others_next = False
            return None
        part = self._bisection.take(now)
        self._others_next = part is not None
        if part is None:
            return None
        return Poll(endpoint=part.endpoint, watches=part.probe(), taken_at=now, part=part)

    def _fill(self, now: float, gap: float) -> Poll | None:
        self._taken_at = now
        size, limits = self.limit.size(now), self._limits(gap)
        new: list[Watch] = []
        if self._waiting.new and self._waiting.due_at(now, self.terms.price_at(gap), limits, size) > now:
            new = self._waiting.take_new(size)
        watches = (*new, *self._waiting.take(size - len(new), now, limits))
        self.limit = self.limit.sent(len(watches), now)
        return Poll(endpoint=Endpoint.SHOW_MANY, watches=watches, taken_at=now) if watches else None

    def _forget_ended(self) -> None:
        """Make sure that whoever is first, wherever, is still to be looked at."""
        self._waiting.forget_ended()
        if self._bisection:
            self._bisection.forget_ended()
        if self._quarantine:
            self._quarantine.forget_ended()
        while self._to_confirm and self._to_confirm[0].ended:
            self._to_confirm.popleft()

    @property
    def in_doubt(self) -> bool:
        """Whether it is open if what failed last failed for the sake of a job or because the account is in trouble."""
        return self._bisection.in_doubt

    def told(self, watch: Watch, job_status: Mapping[str, Any], now: float) -> None:
        """Zendesk's object is not as it was: learn from it when to look again. `looked` follows."""
        if job_status["status"] in ENDED:
            if watch.looked_at > -math.inf:  # else nobody knows when it ended
                self._durations.add(now - watch.tracked_at)
        elif job_status["status"] == "queued":
            watch.queued_at = now
        watch.work_left = rule.work_left(job_status)

    def looked(self, watches: Sequence[Watch], now: float) -> None:
        """Zendesk answered for these jobs."""
        for watch in watches:
            watch.looked_at = now
            watch.misses = 0
            watch.absent_since = math.inf
        self.put_back(watches, now)

    def answered(self, poll: Poll, now: float) -> None:
        """Zendesk took this request, whatever it said of its jobs: `looked`, `missing` or `put_back` follow."""
        first = poll.watches[0]
        if poll.endpoint is Endpoint.SHOW:
            if poll.part is not None:
                self._bisection.shown(poll.part, first)
                first.apart = Apart(now)
            if first.apart is not None:
                first.apart.answered = True
            return
        self.limit = self.limit.answered(len(poll.watches), now)
        inquiry = self._bisection.answered(poll.part, poll.watches, now)
        if inquiry is not None:
            self.limit = self.limit.taken_in_parts(inquiry.size, inquiry.largest, now)
        if len(poll.watches) == 1:
            first.apart = None

    def missing(self, watch: Watch, now: float) -> None:
        """A complete reply did not hold it: counted, and confirmed by the single endpoint now and then."""
        self.grace.missed(watch, now)
        self._confirm_if(watch, now, so=self.grace.asks_for_confirmation(watch))

    def not_shown(self, watch: Watch, now: float) -> None:
        """Of one that is apart: the single endpoint does not know it. That is no proof without show_many's word."""
        self.grace.missed(watch, now)
        self.put_back((watch,), now)

    def not_found(self, poll: Poll, now: float) -> None:
        """Zendesk does not know one of these jobs, and tells of none for its sake."""
        watch = poll.watches[0]
        if watch.apart is None:
            if self._bisection.not_found(poll.part or Part(poll.watches), poll.watches, now) is Finding.NARROWED:
                return
            watch.apart = Apart(now)
        self.grace.missed(watch, now)
        self._confirm_if(watch, now, so=self.grace.is_over(watch))

    def _confirm_if(self, watch: Watch, now: float, *, so: bool) -> None:
        if so:
            self._to_confirm.append(watch)
        else:
            self.put_back((watch,), now)

    def confirmed_missing(self, watch: Watch, now: float) -> bool:
        """The single endpoint does not know it either. Whether that is proof by now."""
        self.put_back((watch,), now)
        return self.grace.is_over(watch)

    def too_many(self, poll: Poll, ids_max: int, now: float) -> None:
        """Zendesk takes so many ids at most."""
        self.limit = self.limit.told(ids_max, now)
        self._bisection.trust()
        watches = poll.watches if poll.part is None else poll.part.watches
        for start in range(0, len(watches), ids_max):
            self._bisection.add(Part(watches[start : start + ids_max]))

    def refused(self, poll: Poll, now: float) -> Finding:
        """Zendesk would not take this request."""
        if not poll.alone:
            part = poll.part or Part(poll.watches)
            return self._found(self._bisection.refused(part, poll.watches, poll.taken_at, now), part, now)
        (watch,) = poll.watches
        if poll.endpoint is Endpoint.SHOW_MANY:
            self._confirm_if(watch, now, so=self.grace.is_over(watch))
        else:
            self._stumbled(watch, now)
        return Finding.AT_FAULT

    def failed(self, poll: Poll, now: float, silenced_seconds: float = 0.0) -> Finding:
        """There is no usable reply. `silenced_seconds`: but a Retry-After, which holds for the whole account."""
        if not poll.alone:
            part = poll.part or Part(poll.watches)
            finding = self._bisection.failed(part, poll.watches, poll.taken_at, now)
            if finding is Finding.AT_FAULT:
                begin_anew(part.watches[0])
            return self._found(finding, part, now)
        (watch,) = poll.watches
        if not self.in_doubt:
            if watch.apart is not None:
                watch.apart.silenced_seconds = silenced_seconds
            self._stumbled(watch, now)
            return Finding.AT_FAULT
        if watch.apart is None:
            self.put_back((watch,), now)
        else:
            self._quarantine.excuse(watch, now)
        return Finding.IN_DOUBT

    def _found(self, finding: Finding, part: Part, now: float) -> Finding:
        match finding:
            case Finding.AT_FAULT:
                part.watches[0].apart = Apart(now)
                self.put_back(part.watches, now)
            case Finding.IN_DOUBT:
                part.due_at = self._worth_at(part.watches, now)
        return finding

    def _worth_at(self, watches: Sequence[Watch], now: float) -> float:
        """When another look at these alone is worth a request. This one counts for the pace, or the loop would spin."""
        waiting = Waiting()
        waiting.add(watches, now, self._durations.value)
        return waiting.due_at(now, self.terms.price_at(self._gap), self._limits(self._gap))

    def _stumbled(self, watch: Watch, now: float) -> None:
        """Zendesk breaks on this job by itself, so it may be there after all: the grace time begins anew.

        One that shares requests may have met a passing trouble: it keeps what was counted until that would be proof.
        """
        if watch.apart or self.grace.is_over(watch):
            begin_anew(watch)
        self.put_back((watch,), now)

    def turned_away(self, poll: Poll, now: float) -> None:
        """The account let nothing pass: the same again when it does."""
        if poll.part is not None:
            self._bisection.put_back(poll.part)
        elif poll.confirms:
            self._to_confirm.appendleft(poll.watches[0])
        else:
            self.put_back(poll.watches, now)

    def dissolve(self, poll: Poll, now: float) -> None:
        """The reply tells nothing of these jobs, nor why."""
        self.put_back(poll.watches if poll.part is None else poll.part.watches, now)

    def put_back(self, watches: Sequence[Watch], now: float) -> None:
        """It counts as a look for the pace whatever came of it, or the loop would spin."""
        shared = [watch for watch in watches if not (watch.apart or watch.ended)]
        self._waiting.add(shared, now, self._durations.value)
        if len(shared) < len(watches):
            for watch in watches:
                if watch.apart and not watch.ended:
                    watch.asked_at = now
                    self._quarantine.put(watch, now, self.grace.look_within(watch, now))
