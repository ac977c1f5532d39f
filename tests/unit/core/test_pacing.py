"""The pacer against an account that it knows only by its replies."""

import heapq
import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import count, pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.core.pacing import (
    DENIED_SECONDS_MAX,
    DENIED_SECONDS_MIN,
    IN_FLIGHT_MAX,
    RATE_LIMITED_SECONDS,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
    WINDOW_SECONDS,
    Pacer,
    Rate,
)
from relay.core.zendesk import NO_RATE, RateHeaders

FAST = Rate(max_requests_per_minute=6_000, reserve=0.25, share=0.25, floor_requests_per_minute=1)


def told(remaining, *, limit=400, reset=60):
    return RateHeaders(limit=limit, remaining=remaining, reset_seconds=reset)


def ask(pacer, at, headers=NO_RATE, *, answered_at=None):
    pacer.sent(at)
    pacer.heard(headers, at if answered_at is None else answered_at)


def sent_times(pacer, until, remaining=lambda sent: 400 - sent, *, start=0.0, reset=True):
    """When requests go out that are answered at once, in one window that ends at `until`."""
    times, now = [], start
    while (moment := pacer.next_at(now)) < until:
        now = max(now, moment)
        if now == moment or pacer.next_at(now) <= now:
            times.append(now)
            ask(pacer, now, told(remaining(len(times)), reset=math.ceil(until - now) if reset else None))
    return times


class TestCeiling:
    def test_a_new_process_waits_one_gap(self):
        """It cannot know whether another one has only just sent a request."""
        assert Pacer(Rate(max_requests_per_minute=60), 100.0).next_at(100.0) >= 101.0

    def test_requests_are_spaced_and_never_come_in_bursts(self):
        pacer = Pacer(Rate(max_requests_per_minute=60), 0.0)
        ask(pacer, 50.0, told(400))
        assert 51.0 <= pacer.next_at(50.0) <= 51.1
        assert pacer.next_at(300.0) <= 300.0, "what was not used is not saved up"
        ask(pacer, 300.0, told(400))
        assert pacer.next_at(300.0) >= 301.0

    def test_a_minute_on_the_way_may_be_shorter_than_ours(self):
        """Sixty gaps last longer than a minute, or requests that travel unequally fast would make 61 in one."""
        pacer = Pacer(Rate(max_requests_per_minute=60), 0.0)
        ask(pacer, 50.0, told(400))
        assert 60 * (pacer.next_at(50.0) - 50.0) >= 60.25


class TestOthers:
    """They get what they are on course to use, where that is more than the reserve."""

    def sent_beside(self, others_per_second, *, reset=True):
        """How many requests go out in one minute in which others send as many per second."""
        pacer, sent, now = Pacer(FAST, 0.0), 0, 0.0
        while (now := max(now, pacer.next_at(now))) < 60.0:
            if pacer.next_at(now) > now:
                continue
            sent += 1
            remaining = max(0, 400 - sent - int(others_per_second * now))
            ask(pacer, now, told(remaining, reset=math.ceil(60.0 - now) if reset else None))
        return sent

    @pytest.mark.parametrize("reset", [True, False])
    def test_the_busier_they_are_the_less_is_taken(self, reset):
        taken = [self.sent_beside(rate, reset=reset) for rate in (0.0, 2.0, 4.0, 6.0)]
        assert taken == sorted(taken, reverse=True)
        assert taken[0] > 70
        assert taken[-1] < 0.25 * (400 - 360) + 10

    def test_little_but_the_floor_is_taken_where_they_are_about_to_use_all(self):
        """What goes before that shows cannot be taken back."""
        assert self.sent_beside(9.0) < 15

    def test_our_own_requests_are_not_taken_for_theirs(self):
        times = sent_times(Pacer(FAST, 0.0), 60.0)
        assert len(times) > 0.8 * FAST.share * (400 - 0.25 * 400)

    def test_what_they_did_in_an_earlier_window_does_not_count(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 50.0, told(20, reset=10))
        ask(pacer, 61.0, told(398, reset=59))
        assert pacer.next_at(61.0) < 62.0


class TestFindingOut:
    def test_after_the_start_the_first_reply_is_awaited(self):
        pacer = Pacer(FAST, 0.0)
        pacer.sent(1.0)
        assert pacer.next_at(30.0) == math.inf
        pacer.heard(told(400), 30.0)
        assert pacer.next_at(30.0) < 32.0

    def test_a_new_window_is_found_out_about_by_one_request(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(400, reset=10))
        pacer.sent(12.0)
        assert pacer.next_at(13.0) == math.inf
        pacer.heard(told(399, reset=58), 13.0)
        assert math.isfinite(pacer.next_at(13.0))

    def test_a_request_that_hangs_since_the_last_window_holds_up_nothing(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(400, reset=10))
        pacer.sent(5.0)
        assert pacer.next_at(15.0) <= 15.0

    def test_without_headers_one_request_at_a_time(self):
        pacer = Pacer(FAST, 0.0)
        for second in range(1, 9):
            assert pacer.next_at(second) <= second
            pacer.sent(second)
            assert pacer.next_at(second) == math.inf
            pacer.heard(NO_RATE, second + 0.5)

    def test_where_only_the_limit_is_told_each_window_counts_as_unused(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, RateHeaders(limit=400))
        assert pacer.next_at(1.0) == pytest.approx(1.0 + 60 / (0.25 * 300))

    def test_no_more_than_eight_are_underway(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(100_000, limit=100_000))
        for step in range(IN_FLIGHT_MAX):
            assert pacer.next_at(2.0 + step) <= 2.0 + step
            pacer.sent(2.0 + step)
        assert pacer.next_at(11.0) == math.inf


class TestShare:
    def test_a_share_of_what_is_above_the_reserve_spread_over_the_window(self):
        """A quarter of what remains at every moment would come to two thirds by the end of the window."""
        times = sent_times(Pacer(FAST, 0.0), 60.0)
        assert 0.25 * 300 - 2 <= len(times) <= 0.25 * 300 + 1
        assert max(b - a for a, b in pairwise(times)) < 2.0

    def test_what_others_use_up_is_not_ours_to_take(self):
        times = sent_times(Pacer(FAST, 0.0), 60.0, lambda sent: max(0, 400 - 10 * sent))
        assert 400 - 10 * len(times) >= 90

    def test_below_the_reserve_only_the_floor_goes_on(self):
        pacer = Pacer(Rate(max_requests_per_minute=6_000, floor_requests_per_minute=4), 0.0)
        ask(pacer, 1.0, told(50))
        assert pacer.next_at(1.0) == 16.0

    def test_without_a_floor_nothing_goes_before_the_next_window(self):
        pacer = Pacer(Rate(max_requests_per_minute=6_000, floor_requests_per_minute=0), 0.0)
        ask(pacer, 1.0, told(50, reset=40))
        assert pacer.next_at(1.0) == 41.0

    def test_the_floor_is_no_exception_to_the_ceiling(self):
        pacer = Pacer(Rate(max_requests_per_minute=2, floor_requests_per_minute=60), 0.0)
        ask(pacer, 100.0, told(0))
        assert pacer.next_at(100.0) >= 130.0

    def test_the_floor_is_no_exception_to_a_retry_after(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(0))
        pacer.rate_limited(500.0, 1.0, 0.0)
        assert pacer.next_at(400.0) == 501.0

    @pytest.mark.parametrize(("remaining", "limit"), [(9, 10), (199, 200), (390, 400), (650, 700), (2_000, 2_500)])
    def test_a_limit_that_is_not_told_is_the_smallest_that_zendesk_sells(self, remaining, limit):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(remaining, limit=None))
        assert pacer.limit == limit

    def test_a_limit_once_told_stays_known(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(100, limit=700))
        ask(pacer, 2.0, told(99, limit=None))
        ask(pacer, 3.0, NO_RATE)
        assert (pacer.limit, pacer.remaining) == (700, 98)


class TestWindows:
    def test_a_reply_that_was_overtaken_does_not_bring_back_what_is_gone(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(390))
        pacer.sent(2.0)
        pacer.sent(3.0)
        pacer.heard(told(110, reset=57), 4.0)
        pacer.heard(told(380, reset=59), 8.0)
        assert pacer.remaining == 109
        assert pacer.next_at(8.0) > 20.0

    def test_a_reply_that_was_long_on_its_way_does_not_move_the_end_of_the_window(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(102, reset=50))
        pacer.sent(20.0)
        pacer.heard(told(101, reset=31), 45.0)
        assert pacer.next_at(45.0) == 51.0

    def test_a_prompt_reply_corrects_the_end_that_a_late_one_told(self):
        pacer = Pacer(Rate(floor_requests_per_minute=0), 0.0)
        ask(pacer, 1.0, told(50, reset=50), answered_at=21.0)
        ask(pacer, 30.0, told(49, reset=21))
        assert pacer.next_at(30.0) == 51.0

    def test_requests_underway_are_counted_as_spent(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(390))
        for _ in range(3):
            pacer.sent(2.0)
        pacer.heard(told(389), 3.0)
        assert pacer.remaining == 387

    def test_a_new_window_is_known_by_its_end(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(101, reset=30))
        ask(pacer, 30.9, told(399, reset=60))
        assert pacer.remaining == 399

    def test_without_a_reset_what_remains_tells_of_a_new_window_by_jumping_up(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(101, reset=None))
        assert pacer.next_at(1.0) == 61.0, "a whole window is assumed"
        ask(pacer, 20.0, told(399, reset=None))
        assert pacer.remaining == 399
        assert pacer.next_at(20.0) < 21.0

    def test_without_a_reset_an_overtaken_reply_is_no_new_window(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(390, reset=None))
        pacer.sent(2.0)
        pacer.sent(2.0)
        pacer.heard(told(110, reset=None), 3.0)
        pacer.heard(told(380, reset=None), 4.0)
        assert pacer.remaining == 109

    @pytest.mark.parametrize("reset", [0, None, 61, 999_999_999])
    def test_a_reset_that_says_nothing_of_use_means_a_whole_window(self, reset):
        pacer = Pacer(Rate(floor_requests_per_minute=0), 0.0)
        ask(pacer, 1.0, told(0, reset=reset))
        assert pacer.next_at(1.0) == 61.0


class TestTrouble:
    def test_a_retry_after_is_waited_for_and_jitter_only_adds(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 10.0)
        assert pacer.rate_limited(93.0, 10.0, 0.5) == pytest.approx(103.5)
        assert pacer.next_at(20.0) == pytest.approx(103.5)

    @pytest.mark.parametrize(("asked", "wait"), [(None, RATE_LIMITED_SECONDS), (0.0, RETRY_SECONDS_MIN), (7.0, 7.0)])
    def test_a_429_waits_as_it_says_or_half_a_window(self, asked, wait):
        assert Pacer(FAST, 0.0).rate_limited(asked, 100.0, 0.0) == 100.0 + wait

    def test_a_shorter_wait_does_not_end_a_longer_one(self):
        pacer = Pacer(FAST, 0.0)
        pacer.wait_until(500.0)
        assert pacer.failed(None, 10.0, 0.0) == 500.0
        pacer.succeeded()
        assert pacer.next_at(10.0) == 500.0

    def test_an_outage_is_asked_about_ever_more_rarely_up_to_a_bound(self):
        pacer, now, waits = Pacer(FAST, 0.0), 0.0, []
        for _ in range(20):
            until = pacer.failed(None, now, 0.999)
            waits.append(round(until - now, 3))
            now = until
        assert waits[0] == RETRY_SECONDS_MIN
        assert waits == sorted(waits)
        assert RETRY_SECONDS_MAX / 2 <= waits[-1] <= RETRY_SECONDS_MAX

    def test_an_outage_that_names_a_time_is_believed(self):
        assert Pacer(FAST, 0.0).failed(200.0, 100.0, 0.0) == 300.0

    def test_refused_credentials_are_tried_rarely(self):
        pacer, now, waits = Pacer(FAST, 0.0), 0.0, []
        for _ in range(20):
            until = pacer.denied(now, 0.999)
            waits.append(until - now)
            now = until
        assert (waits[0], math.ceil(waits[-1])) == (DENIED_SECONDS_MIN, DENIED_SECONDS_MAX)

    def test_requests_that_fail_together_are_one_stumble(self):
        pacer = Pacer(FAST, 0.0)
        for _ in range(8):
            until = pacer.failed(None, 10.0, 0.0)
        assert until - 10.0 <= 2 * RETRY_SECONDS_MIN

    def test_a_success_ends_the_back_off(self):
        pacer = Pacer(FAST, 0.0)
        for now in (0.0, 10.0, 30.0):
            pacer.failed(None, now, 0.0)
        pacer.succeeded()
        assert pacer.failed(None, 100.0, 0.0) == 101.0

    def test_in_trouble_one_request_at_a_time(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 1.0, told(400))
        pacer.failed(None, 1.0, 0.0)
        pacer.sent(3.0)
        assert pacer.next_at(4.0) == math.inf
        pacer.heard(told(399), 4.0)
        pacer.succeeded()
        pacer.sent(5.0)
        assert math.isfinite(pacer.next_at(6.0))


@dataclass
class Account:
    """Fixed windows of 60 s that other integrations drain, too. It knows nothing of the pacer."""

    limit: int
    offset: float
    tenants_per_second: float
    random: Random
    window: int = -1
    used: int = 0
    tenants_at: float = 0.0

    def ends(self, now):
        return (math.floor((now - self.offset) / WINDOW_SECONDS) + 1) * WINDOW_SECONDS + self.offset

    def answer(self, now):
        """Headers and whether it is a 429."""
        window = math.floor((now - self.offset) / WINDOW_SECONDS)
        if window != self.window:
            self.window, self.used, self.tenants_at = window, 0, max(self.tenants_at, self.ends(now) - WINDOW_SECONDS)
        self.used += self.random.randint(0, math.ceil(2 * self.tenants_per_second * (now - self.tenants_at)))
        self.tenants_at = now
        spent = self.used >= self.limit
        self.used = min(self.used + 1, self.limit)
        reset = max(1, math.ceil(self.ends(now) - now))
        return RateHeaders(limit=self.limit, remaining=self.limit - self.used, reset_seconds=reset), spent


@dataclass(order=True)
class Step:
    """A request arrives, or its reply does."""

    at: float
    number: int
    reply: tuple[RateHeaders, float, bool] | None = field(default=None, compare=False)
    """Headers, when their window really ends, whether it is a 429."""


@dataclass
class Course:
    """What was seen of a pacer from outside."""

    sent: list[float] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When a Retry-After was heard, and when it ends."""
    heard: list[tuple[float, RateHeaders, float]] = field(default_factory=list)
    """When which headers were heard, and when their window really ends."""
    most_underway: int = 0
    before_first_reply: int = 0


def course(pacer, account, random, *, styles, slow, stall=0.0, requests=200):
    """Let the pacer send whenever it may, with replies that overtake each other and get lost.

    `slow`: seconds on the way, at most, each way. `stall`: seconds for which the process stands still at times.
    """
    seen, now, numbers = Course(), 0.0, count()
    steps: list[Step] = []
    while len(seen.sent) < requests and now < 3_000:
        moment = pacer.next_at(now)
        if moment <= now:
            pacer.sent(now)
            seen.sent.append(now)
            seen.before_first_reply += not seen.heard
            heapq.heappush(steps, Step(now + random.uniform(0, slow), next(numbers)))
            seen.most_underway = max(seen.most_underway, len(steps))
        elif steps and steps[0].at <= moment:
            step = heapq.heappop(steps)
            now = max(now, step.at)
            if step.reply is None:
                headers, spent = account.answer(step.at)
                reply = random.choice(styles)(headers), account.ends(step.at), spent
                heapq.heappush(steps, Step(step.at + random.uniform(0, slow), step.number, reply))
            else:
                arrive(pacer, step.reply, now, random, seen)
        else:
            assert moment <= now + 400.0, "it never comes to a stop"
            now = moment + random.choice((0.0, 0.0, stall)) * random.random()
    return seen


def arrive(pacer, reply, now, random, seen):
    headers, window_ends, spent = reply
    lost = random.random() < 0.05
    headers = NO_RATE if lost else headers
    pacer.heard(headers, now)
    seen.heard.append((now, headers, window_ends))
    if lost:
        pacer.failed(None, now, random.random())
    elif spent:
        seconds = random.choice((5.0, 93.0, 300.0))
        seen.waits.append((now, now + seconds))
        pacer.rate_limited(seconds, now, random.random())
    else:
        pacer.succeeded()


EVERYTHING = (lambda headers: headers,)
ANYTHING = (
    *EVERYTHING,
    lambda headers: RateHeaders(limit=headers.limit, remaining=headers.remaining),
    lambda headers: RateHeaders(remaining=headers.remaining, reset_seconds=headers.reset_seconds),
    lambda headers: RateHeaders(remaining=headers.remaining),
    lambda headers: RateHeaders(limit=headers.limit, remaining=headers.remaining, reset_seconds=0),
    lambda headers: RateHeaders(limit=headers.limit),
    lambda headers: NO_RATE,
)
RATES = st.builds(
    Rate,
    max_requests_per_minute=st.sampled_from([1.0, 10.0, 60.0, 600.0, 6_000.0]),
    reserve=st.sampled_from([0.0, 0.25, 0.9, 1.0]),
    share=st.sampled_from([0.05, 0.25, 1.0]),
    floor_requests_per_minute=st.sampled_from([0.0, 0.1, 1.0]),
)
LIMITS = st.sampled_from([1, 10, 200, 700])
TENANTS = st.sampled_from([0.0, 0.5, 3.0, 20.0])
SLOW = st.sampled_from([0.1, 2.0, 12.0])
SEEDS = st.integers(0, 2**32)


@settings(max_examples=100, deadline=None)
@given(RATES, LIMITS, TENANTS, SLOW, st.sampled_from([0.0, 40.0]), SEEDS)
def test_whatever_the_replies_ceiling_waits_and_bounds_hold(rate, limit, tenants, slow, stall, seed):
    """Our ceiling over any minute, every Retry-After to its end, few requests at once, one before the first reply."""
    random = Random(seed)
    account = Account(limit, random.uniform(0, 60), tenants, random)
    seen = course(Pacer(rate, 0.0), account, random, styles=ANYTHING, slow=slow, stall=stall)
    gap = WINDOW_SECONDS / rate.max_requests_per_minute
    assert all(after - before >= gap for before, after in pairwise([0.0, *seen.sent]))
    for heard_at, until in seen.waits:
        assert not any(heard_at < sent < until for sent in seen.sent)
    assert seen.most_underway <= IN_FLIGHT_MAX
    assert seen.before_first_reply <= 1
    assert seen.sent


@settings(max_examples=100, deadline=None)
@given(RATES, LIMITS, TENANTS, SLOW, SEEDS)
@example(Rate(max_requests_per_minute=6_000), 700, 3.0, 12.0, 1)
def test_after_every_reply_no_more_than_the_share_of_what_it_left_is_spent(rate, limit, tenants, slow, seed):
    """Counted to the real end of the reply's window. The floor, and nothing else, may go beyond it.

    Replies are underway for less than the 30 s after which the transport gives them up.
    """
    random = Random(seed)
    account = Account(limit, random.uniform(0, 60), tenants, random)
    seen = course(Pacer(rate, 0.0), account, random, styles=EVERYTHING, slow=slow, stall=5.0)
    for heard_at, headers, window_ends in seen.heard:
        if headers.remaining is None:
            continue
        spent = bisect_left(seen.sent, window_ends) - bisect_right(seen.sent, heard_at)
        share = max(0.0, rate.share * (headers.remaining - rate.reserve * limit))
        floor = math.ceil(max(0.0, window_ends - heard_at) * rate.floor_requests_per_minute / 60)
        assert spent <= share + floor


@pytest.mark.parametrize("ceiling", [60.0, 600.0])
@pytest.mark.parametrize("limit", [1, 10, 200, 700, 2_500])
def test_what_may_be_taken_is_taken(ceiling, limit):
    """On an account that nobody else uses, most of the ceiling or of the share is made use of."""
    rate = Rate(max_requests_per_minute=ceiling)
    account = Account(limit, 20.0, 0.0, Random(0))
    seen = course(Pacer(rate, 0.0), account, Still(), styles=EVERYTHING, slow=0.1)
    per_minute = len(seen.sent) / (seen.sent[-1] / 60)
    assert per_minute >= 0.85 * min(ceiling, max(1.0, 0.25 * 0.75 * limit - 1))


class Still(Random):
    """No reply is lost, and nobody is late."""

    def random(self):
        return 0.5

    def choice(self, options):
        return options[0]


class TestReconfigured:
    def test_the_new_ceiling_is_kept_from_the_latest_request_on(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 50.0, told(400))
        pacer.reconfigure(Rate(max_requests_per_minute=6))
        assert pacer.next_at(50.0) >= 60.0
        pacer.reconfigure(FAST)
        assert 50.0 < pacer.next_at(50.0) < 51.0

    def test_what_is_known_of_the_budget_stays_and_a_larger_reserve_counts_at_once(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 50.0, told(300))
        before = pacer.gap(50.0)
        pacer.reconfigure(FAST)
        assert (pacer.limit, pacer.remaining) == (400, 300)
        assert pacer.gap(50.0) == before
        pacer.reconfigure(Rate(max_requests_per_minute=6_000, reserve=0.75))
        assert pacer.gap(50.0) >= WINDOW_SECONDS

    def test_it_does_not_refill_what_was_spent(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 50.0, told(300))
        for at in range(51, 60):
            pacer.sent(float(at))
            pacer.heard(NO_RATE, float(at))
            spent = pacer.gap(60.0)
            pacer.reconfigure(FAST)
            assert pacer.gap(60.0) == spent

    def test_requests_underway_still_count(self):
        pacer = Pacer(FAST, 0.0)
        pacer.sent(50.0)
        pacer.reconfigure(FAST)
        assert pacer.next_at(70.0) == math.inf, "the first answer must come first"

    def test_a_retry_after_holds(self):
        pacer = Pacer(FAST, 0.0)
        ask(pacer, 50.0, told(300))
        pacer.rate_limited(500.0, 50.0, 0.0)
        pacer.denied(50.0, 0.0)
        pacer.reconfigure(FAST)
        assert pacer.next_at(50.0) >= 550.0

    def test_a_denial_is_forgotten_and_the_next_one_begins_anew(self):
        pacer = Pacer(FAST, 0.0)
        now = 50.0
        for _ in range(10):
            ask(pacer, now)
            now = pacer.denied(now, 0.5)
        ask(pacer, now)
        pacer.denied(now, 0.5)
        pacer.reconfigure(FAST)
        assert pacer.next_at(now) < now + 1.0
        assert pacer.denied(now, 0.5) < now + 2 * DENIED_SECONDS_MIN
