import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relay.core.job import Job
from relay.core.rule import CYCLES, FIRST_DURATION
from relay.core.schedule import ALONE_SECONDS, CONFIRM_MISSES_MIN, Roster
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX, Endpoint

FRESH, LOST = 2.0, 300.0
GAP = 0.0  # a budget that is no hindrance
LONG = 5 * FRESH  # nobody goes unseen for longer


def watch_of(number):
    return Watch(Job(account="acme", id=f"V3-{number:05}", tracked_at=1.0))


def roster_of(count):
    roster = Roster(FRESH, LOST)
    watches = [watch_of(number) for number in range(count)]
    for watch in watches:
        roster.add(watch, 0.0, 1.0)
    return roster, watches


def look(roster, poll, now):
    roster.looked(poll.watches, now)


def miss(roster, watch, now):
    """One complete reply without this job, which is the only one."""
    poll = roster.take(now, GAP)
    assert (poll.endpoint, poll.watches) == (Endpoint.SHOW_MANY, (watch,))
    roster.missing(watch, now)


class TestOrder:
    def test_nobody_to_look_at(self):
        roster = Roster(FRESH, LOST)
        assert roster.next_at(5.0, GAP) == math.inf
        assert roster.take(5.0, GAP) is None
        assert roster.oldest() is None

    def test_a_new_job_is_looked_at_at_once_and_then_when_the_look_is_worth_its_price(self):
        roster, (watch,) = roster_of(1)
        assert roster.next_at(5.0, GAP) == 5.0
        look(roster, roster.take(5.0, GAP), 5.5)
        assert roster.next_at(5.5, GAP) == pytest.approx(5.5 + math.sqrt(FRESH * FIRST_DURATION), abs=1.0)
        assert watch.looked_at == 5.5

    def test_a_job_that_is_being_asked_about_is_not_asked_about_again(self):
        roster, _ = roster_of(1)
        roster.take(5.0, GAP)
        assert roster.next_at(500.0, GAP) == math.inf

    def test_requests_are_full_whoever_is_due(self):
        """A request costs the same for 1 id as for 100."""
        roster, watches = roster_of(2 * IDS_MAX - 1)
        first, second = roster.take(5.0, GAP), roster.take(5.0, GAP)
        assert (*first.watches, *second.watches) == tuple(watches)
        assert len(first.watches) == IDS_MAX
        look(roster, first, 6.0)
        look(roster, second, 7.0)
        assert set(roster.take(6.0 + LONG, GAP).watches) == set(first.watches)

    def test_the_request_names_the_ids(self):
        roster, _ = roster_of(2)
        assert roster.take(5.0, GAP).request.path == "/api/v2/job_statuses/show_many.json?ids=V3-00000,V3-00001"

    def test_who_has_ended_takes_no_place_and_wakes_nobody(self):
        roster, watches = roster_of(IDS_MAX + 2)
        for watch in watches[:2]:
            watch.ended = True
        assert roster.oldest() is watches[2]
        assert roster.take(5.0, GAP).watches == tuple(watches[2:])
        assert roster.next_at(5.0, GAP) == math.inf

    def test_who_has_ended_unseen_leaves_nothing_behind(self):
        """Or the account would be woken for nothing, without end."""
        roster, (watch,) = roster_of(1)
        watch.ended = True
        assert roster.oldest() is None
        assert roster.next_at(5.0, GAP) == math.inf

    def test_an_unusable_reply_counts_for_the_pace_but_is_no_look(self):
        """Staleness goes on growing while Zendesk is down."""
        roster, (watch,) = roster_of(1)
        look(roster, roster.take(5.0, GAP), 5.0)
        roster.put_back(roster.take(18.0, GAP).watches, 18.0)
        assert 18.0 + FRESH < roster.next_at(18.0, GAP) <= 18.0 + LONG
        assert watch.looked_at == 5.0


class TestConfirmation:
    def test_confirmed_when_missed_twice_then_ever_more_rarely(self):
        """Once is no proof, since a fresh job is often missing; each confirmation costs a request."""
        roster, (watch,) = roster_of(1)
        confirmed_after = []
        for miss_number in range(1, 100):
            now = 2.0 * miss_number
            miss(roster, watch, now)
            assert watch.misses == miss_number
            if roster.next_at(now, GAP) == now:
                confirmed_after.append(miss_number)
                poll = roster.take(now, GAP)
                assert (poll.endpoint, poll.watches) == (Endpoint.SHOW, (watch,))
                roster.put_back(poll.watches, now)
        assert confirmed_after == [2, 4, 8, 16, 32, 64]
        assert CONFIRM_MISSES_MIN == 2

    def test_after_the_grace_every_miss_is_confirmed(self):
        roster, (watch,) = roster_of(1)
        for now in (0.0, 100.0, LOST - 0.1):
            miss(roster, watch, now)
            if roster.next_at(now, GAP) == now:
                roster.put_back(roster.take(now, GAP).watches, now)
        assert not roster.grace_is_over(watch, LOST - 0.1)
        for now in (LOST + 2, LOST + 5):
            miss(roster, watch, now)
            assert roster.grace_is_over(watch, now)
            assert roster.take(now, GAP).endpoint is Endpoint.SHOW
            roster.put_back([watch], now)

    def test_a_sign_of_life_starts_the_count_anew(self):
        roster, (watch,) = roster_of(1)
        miss(roster, watch, 0.0)
        look(roster, roster.take(2.0, GAP), 2.0)
        miss(roster, watch, 400.0)
        assert (watch.misses, watch.absent_since) == (1, 400.0)
        assert not roster.grace_is_over(watch, 400.0)

    def test_one_who_ends_before_its_confirmation_is_not_asked_about(self):
        roster, (watch,) = roster_of(1)
        miss(roster, watch, 0.0)
        miss(roster, watch, 2.0)
        watch.ended = True
        assert roster.next_at(3.0, GAP) == math.inf
        assert roster.take(3.0, GAP) is None

    def test_confirmations_and_shared_requests_take_turns(self):
        """A thousand ids that Zendesk does not know would keep all others from being looked at."""
        roster, watches = roster_of(1_000)
        known = set(watches[:100])
        looks = Counter()
        for second in range(400):
            poll = roster.take(float(second), GAP)
            for watch in poll.watches:
                if watch in known:
                    looks[watch] += 1
                    roster.looked([watch], float(second))
                elif poll.endpoint is Endpoint.SHOW:
                    roster.put_back([watch], float(second))
                else:
                    roster.missing(watch, float(second))
        assert min(looks[watch] for watch in known) >= 400 / 2 / (1_000 / IDS_MAX) - 1


class TestRefusal:
    def poll_all(self, roster, poisoned):
        """Requests until nobody is in halves any more, and who was served meanwhile."""
        requests, served = 0, set()
        while requests == 0 or roster._halves:
            now = 5.0 + requests / 100
            poll = roster.take(now, GAP)
            requests += 1
            if poisoned.isdisjoint(watch.job.id for watch in poll.watches):
                served.update(watch.job.id for watch in poll.watches)
                look(roster, poll, now)
            else:
                roster.refused(poll, now)
        return requests, served

    @given(st.integers(1, IDS_MAX), st.data())
    def test_one_bad_id_is_found_by_halving_and_all_others_are_served(self, count, data):
        roster, watches = roster_of(count)
        bad = data.draw(st.sampled_from(watches))
        requests, served = self.poll_all(roster, {bad.job.id})
        assert requests <= 2 * math.ceil(math.log2(count)) + 1
        assert served == {watch.job.id for watch in watches} - {bad.job.id}
        assert [watch.alone for watch in watches] == [watch is bad for watch in watches]

    @given(st.integers(1, IDS_MAX), st.data())
    def test_so_are_several(self, count, data):
        roster, watches = roster_of(count)
        bad = data.draw(st.sets(st.sampled_from([watch.job.id for watch in watches]), min_size=1))
        _, served = self.poll_all(roster, bad)
        assert served == {watch.job.id for watch in watches} - bad

    def isolated(self):
        roster, watches = roster_of(4)
        self.poll_all(roster, {watches[1].job.id})
        return roster, watches

    def test_the_bad_one_is_asked_about_alone_once_a_minute(self):
        roster, watches = self.isolated()
        asked = []
        for second in range(6, 200):
            now = float(second)
            while roster.next_at(now, GAP) <= now:
                poll = roster.take(now, GAP)
                if poll.endpoint is Endpoint.SHOW:
                    assert poll.watches == (watches[1],)
                    asked.append(now)
                    roster.refused(poll, now)
                else:
                    assert watches[1] not in poll.watches
                    look(roster, poll, now)
        assert len(asked) == 3
        assert all(b - a >= ALONE_SECONDS for a, b in pairwise(asked))

    def test_one_that_zendesk_refuses_and_does_not_know_is_lost_after_the_grace(self):
        """A refused request is no sign of life, though it counts no miss."""
        roster, watches = self.isolated()
        assert not roster.grace_is_over(watches[1], 100.0)
        assert roster.grace_is_over(watches[1], 6.0 + LOST)
        assert not roster.grace_is_over(watches[0], 6.0 + LOST)

    def test_halves_whose_jobs_have_all_ended_are_not_asked_about(self):
        roster, watches = roster_of(4)
        roster.refused(roster.take(5.0, GAP), 5.0)
        for watch in watches[:2]:
            watch.ended = True
        watches[2].ended = True
        assert roster.take(5.0, GAP).watches == (watches[3],)


class OneRoster(RuleBasedStateMachine):
    """Every live watch is in one place: waiting in the roster, or underway; whoever waits is taken in the end."""

    def __init__(self):
        super().__init__()
        self.now = 1_000.0
        self.roster = Roster(FRESH, LOST)
        self.watches = []
        self.underway = []

    @rule(count=st.integers(1, 150))
    def add(self, count):
        for _ in range(count):
            self.watches.append(watch_of(len(self.watches)))
            self.roster.add(self.watches[-1], self.now, 1.0)

    @rule(seconds=st.sampled_from([0.0, 1.0, 2.0, 70.0, 400.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.roster.next_at(self.now, GAP) <= self.now)
    @rule()
    def take(self):
        poll = self.roster.take(self.now, GAP)
        assert poll is not None, "it said that somebody is due"
        assert 0 < len(poll.watches) <= (1 if poll.endpoint is Endpoint.SHOW else IDS_MAX)
        assert not any(watch.ended for watch in poll.watches)
        assert not any(watch.alone for watch in poll.watches) or poll.endpoint is Endpoint.SHOW
        self.underway.append(poll)

    @precondition(lambda self: self.underway)
    @rule(data=st.data())
    def reply(self, data):
        poll = self.underway.pop(data.draw(st.integers(0, len(self.underway) - 1)))
        if data.draw(st.integers(0, 3)) == 0:
            self.roster.refused(poll, self.now)
            return
        for watch, fate in zip(poll.watches, data.draw(fates(len(poll.watches))), strict=True):
            if fate == "looked":
                self.roster.looked([watch], self.now)
            elif fate == "missing" and poll.endpoint is Endpoint.SHOW_MANY:
                self.roster.missing(watch, self.now)
            else:
                self.roster.put_back([watch], self.now)

    @precondition(lambda self: self.watches)
    @rule(data=st.data())
    def end(self, data):
        data.draw(st.sampled_from(self.watches)).ended = True

    @invariant()
    def each_is_in_one_place(self):
        waiting = [
            *(watch for lane in self.roster._waiting._lanes.values() for watch in lane.watches),
            *self.roster._to_confirm,
            *(watch for half in self.roster._halves for watch in half),
            *(watch for _, watch in self.roster._alone),
        ]
        places = Counter(map(id, [*waiting, *(watch for poll in self.underway for watch in poll.watches)]))
        assert all(places[id(watch)] == 1 for watch in self.watches if not watch.ended)
        assert all(places[id(watch)] <= 1 for watch in self.watches)

    @invariant()
    def nobody_waits_for_ever(self):
        live = sum(not watch.ended for watch in self.watches)
        underway = sum(not watch.ended for poll in self.underway for watch in poll.watches)
        assert (self.roster.next_at(self.now, GAP) <= self.now + ALONE_SECONDS) is (live > underway)

    def teardown(self):
        """Once all replies are good, everybody is looked at within a minute."""
        for poll in self.underway:
            self.roster.put_back(poll.watches, self.now)
        started = self.now
        while self.now < started + 2 * ALONE_SECONDS:
            while self.roster.next_at(self.now, GAP) <= self.now:
                look(self.roster, self.roster.take(self.now, GAP), self.now)
            self.now += 0.5
        assert all(watch.looked_at > started for watch in self.watches if not watch.ended)


def fates(count):
    return st.lists(st.sampled_from(["looked", "missing", "put back"]), min_size=count, max_size=count)


TestOneRoster = OneRoster.TestCase
TestOneRoster.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 900), st.integers(0, 100), st.floats(0.05, 3.0))
def test_no_job_starves(count, newcomers, gap):
    """One request per gap; however dear others are, nobody waits much longer than a cycle takes."""
    roster, watches = roster_of(count)
    looks = {watch: [0.0] for watch in watches}
    cycle = gap * math.ceil((count + newcomers) / IDS_MAX)
    for number in range(60):
        now = number * gap
        if number < newcomers:
            late = watch_of(count + number)
            roster.add(late, now, 1.0)
            looks[late] = [now]
        if roster.next_at(now, gap) <= now:
            poll = roster.take(now, gap)
            look(roster, poll, now)
            for watch in poll.watches:
                looks[watch].append(now)
    for moments in looks.values():
        waits = [b - a for a, b in zip(moments, [*moments[1:], 59 * gap], strict=True)]
        assert max(waits) <= max(LONG, CYCLES * cycle) + cycle + gap
