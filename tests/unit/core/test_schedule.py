import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from relay.core.absence import CONFIRM_MISSES_MIN, PARTS
from relay.core.bisection import Finding
from relay.core.hearing import hear
from relay.core.job import Job
from relay.core.quarantine import ANSWERED_SECONDS_MAX, UNANSWERED_SECONDS_MAX
from relay.core.rule import CYCLES, FIRST_DURATION
from relay.core.schedule import Roster
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX, Endpoint, Reply
from relay.errors import Reason

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
    roster.answered(poll, now)
    roster.looked(poll.watches, now)


def isolate(roster, watch, now):
    """Zendesk says of the only job of the account that it does not know it."""
    roster.not_found(roster.take(now, GAP), now)
    assert watch.apart


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
                assert (poll.endpoint, poll.watches, poll.confirms) == (Endpoint.SHOW, (watch,), True)
                roster.put_back(poll.watches, now)
        assert confirmed_after == [2, 4, 8, 16, 32, 64]
        assert CONFIRM_MISSES_MIN == 2

    def missed_for(self, seconds, every):
        """A job that was missing from all replies for so long, and its roster; the last confirmation is next."""
        roster, (watch,) = roster_of(1)
        for number in range(int(seconds / every) + 1):
            miss(roster, watch, number * every)
            if roster.next_at(number * every, GAP) == number * every:
                confirmation = roster.take(number * every, GAP)
                roster.put_back(confirmation.watches, number * every)
        return roster, watch

    def test_after_the_grace_every_miss_is_confirmed(self):
        roster, watch = self.missed_for(LOST - 10.0, every=10.0)
        assert not roster.grace.is_over(watch)
        for now in (LOST + 2, LOST + 5):
            miss(roster, watch, now)
            assert roster.grace.is_over(watch)
            poll = roster.take(now, GAP)
            assert poll.confirms
            assert roster.confirmed_missing(watch, now)

    def test_a_sign_of_life_starts_the_count_anew(self):
        roster, (watch,) = roster_of(1)
        miss(roster, watch, 0.0)
        look(roster, roster.take(2.0, GAP), 2.0)
        miss(roster, watch, 400.0)
        assert (watch.misses, watch.absent_since) == (1, 400.0)
        assert not roster.grace.is_over(watch)

    def test_a_time_without_replies_is_no_part_of_the_grace(self):
        """Missing before an outage and right after it: two replies, however far apart, are not a grace time of them."""
        roster, watch = self.missed_for(20.0, every=10.0)
        miss(roster, watch, 20.0 + 2 * LOST)
        assert not roster.grace.is_over(watch)
        assert watch.looked_at - watch.absent_since == 20.0 + LOST / PARTS

    def test_nor_is_the_time_in_which_a_confirmation_waits(self):
        roster, watch = self.missed_for(LOST - 10.0, every=10.0)
        assert not roster.confirmed_missing(watch, 3 * LOST)

    def test_looks_that_are_as_far_apart_as_configured_count_in_full(self):
        roster = Roster(LOST, LOST)
        watch = watch_of(1)
        roster.add(watch, 0.0, 1.0)
        for now in (0.0, 3 * LOST):
            roster.missing(*roster.take(now, GAP).watches, now)
        assert roster.grace.is_over(watch)

    def test_a_confirmation_that_fails_leaves_the_proof_without_its_last_word(self):
        """The grace time begins anew: where the single endpoint is broken for a job, it is asked now and then."""
        roster, watch = self.missed_for(LOST - 10.0, every=10.0)
        miss(roster, watch, LOST + 1)
        assert roster.grace.is_over(watch)
        assert roster.failed(roster.take(LOST + 1, GAP), LOST + 1) is Finding.AT_FAULT
        assert not roster.grace.is_over(watch)
        for now in (LOST + 11, LOST + 21):
            miss(roster, watch, now)
        assert roster.take(LOST + 21, GAP).confirms, "missing twice, as at first"

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

    def test_a_confirmation_that_is_turned_away_is_asked_for_again(self):
        roster, watch = self.missed_for(10.0, every=10.0)
        roster.missing(watch, 20.0)
        roster.missing(watch, 30.0)
        poll = roster.take(30.0, GAP)
        roster.turned_away(poll, 30.0)
        assert roster.take(31.0, GAP).confirms


class TestRefusal:
    def poll_all(self, roster, poisoned, answer="refused", seconds=600):
        """Requests, one each second, until nobody is in parts any more; how many, and who was served meanwhile."""
        requests, served = 0, set()
        for now in range(5, 5 + seconds):
            while roster._shared_at(now, GAP) <= now:
                poll = roster.take(now, GAP)
                requests += 1
                if poisoned.isdisjoint(watch.job.id for watch in poll.watches):
                    served.update(watch.job.id for watch in poll.watches)
                    look(roster, poll, now)
                else:
                    getattr(roster, answer)(poll, now)
                if roster._bisection.due_at() == math.inf:
                    return requests, served
        return requests, served

    @given(st.integers(2, IDS_MAX), st.data())
    def test_one_bad_id_is_found_by_halving_and_all_others_are_served(self, count, data):
        roster, watches = roster_of(count)
        bad = data.draw(st.sampled_from(watches))
        requests, served = self.poll_all(roster, {bad.job.id})
        assert requests <= 2 * math.ceil(math.log2(count)) + 1
        assert served == {watch.job.id for watch in watches} - {bad.job.id}
        assert [watch for watch in watches if watch.apart] == [bad]

    @settings(deadline=None)
    @given(st.integers(1, IDS_MAX), st.data())
    def test_so_are_several(self, count, data):
        roster, watches = roster_of(count)
        bad = data.draw(st.sets(st.sampled_from([watch.job.id for watch in watches]), min_size=1))
        _, served = self.poll_all(roster, bad)
        assert served == {watch.job.id for watch in watches} - bad

    @settings(deadline=None)
    @given(st.integers(2, IDS_MAX), st.data())
    def test_so_is_one_that_breaks_zendesk(self, count, data):
        """Which looks like an outage at first, and no request tells more than that another one failed."""
        roster, watches = roster_of(count)
        bad = data.draw(st.sampled_from(watches))
        requests, served = self.poll_all(roster, {bad.job.id}, "failed")
        assert requests <= 2 * math.ceil(math.log2(count)) + 6
        assert served >= {watch.job.id for watch in watches} - {bad.job.id}
        assert [watch for watch in watches if watch.apart] == [bad]

    def test_who_was_seen_before_is_separated_from_who_was_not_first(self):
        roster, watches = roster_of(50)
        look(roster, roster.take(5.0, GAP), 5.0)
        for watch in watches:
            watch.job = replace(watch.job, job_status=b"{}")
        late = watch_of(99)
        roster.add(late, 6.0, 1.0)
        roster.not_found(roster.take(30.0, GAP), 30.0)
        assert set(roster.take(30.0, GAP).watches) == set(watches)
        assert roster.take(30.0, GAP).watches == (late,)

    def test_whoever_joins_is_not_kept_waiting_by_jobs_in_doubt(self):
        roster, (bad,) = roster_of(1)
        for now in (5.0, 20.0, 40.0):
            assert roster.failed(roster.take(now, GAP), now) is Finding.IN_DOUBT
        late = watch_of(99)
        roster.add(late, 50.0, 1.0)
        assert [roster.take(80.0, GAP).watches for _ in range(2)] in ([(bad,), (late,)], [(late,), (bad,)])

    def test_in_doubt_nobody_is_asked_about_more_often_than_the_rule_says(self):
        """One young job is worth a request every six seconds, whatever the back-off allows."""
        roster, (_,) = roster_of(1)
        roster.failed(roster.take(5.0, GAP), 5.0)
        assert roster.next_at(5.0, GAP) == pytest.approx(5.0 + math.sqrt(0.9 * FRESH * FIRST_DURATION), abs=1.0)

    def test_an_outage_leaves_no_traces(self):
        """Once it is over, the next requests are as full as ever."""
        roster, watches = roster_of(250)
        for now in range(5, 300, 10):
            assert roster.failed(roster.take(float(now), GAP), float(now)) is Finding.IN_DOUBT
        sizes = []
        for now in range(300, 304):
            poll = roster.take(float(now), GAP)
            sizes.append(len(poll.watches))
            look(roster, poll, float(now))
        assert sorted(sizes)[-3:] == [50, 99, 100]
        assert not any(watch.apart for watch in watches)

    def test_parts_whose_jobs_have_all_ended_are_not_asked_about(self):
        roster, watches = roster_of(4)
        roster.refused(roster.take(5.0, GAP), 5.0)
        for watch in watches[:3]:
            watch.ended = True
        assert roster.take(5.0, GAP).watches == (watches[3],)

    def test_a_part_that_is_turned_away_is_next(self):
        roster, watches = roster_of(4)
        roster.refused(roster.take(5.0, GAP), 5.0)
        poll = roster.take(5.0, GAP)
        roster.turned_away(poll, 5.0)
        assert roster.take(6.0, GAP).watches == poll.watches == tuple(watches[:2])

    def test_staleness_counts_those_in_parts_and_apart(self):
        roster, watches = roster_of(2)
        look(roster, roster.take(5.0, GAP), 5.0)
        roster.refused(roster.take(50.0, GAP), 50.0)
        assert roster.oldest() in watches
        roster.refused(roster.take(50.0, GAP), 50.0)
        look(roster, roster.take(51.0, GAP), 51.0)
        assert roster.oldest() is watches[0]
        assert watches[0].apart
        assert roster.oldest().unseen_since == 5.0


class TestApart:
    def looks(self, roster, answer, until, begins=0.0):
        """When those that are apart were asked about, where, with this answer; until then, second by second."""
        asked = []
        for second in range(int(begins), until):
            while roster.next_at(float(second), GAP) <= second:
                poll = roster.take(float(second), GAP)
                if poll.alone:
                    asked.append((second, poll.endpoint, poll.confirms))
                    answer(poll, float(second))
                else:
                    look(roster, poll, float(second))
        return asked

    def test_one_that_zendesk_refuses_is_asked_about_alone_ever_more_rarely(self):
        roster, (bad,) = roster_of(1)
        roster.refused(roster.take(0.0, GAP), 0.0)
        asked = self.looks(roster, roster.refused, 86_400)
        assert [second for second, _, _ in asked[:6]] == [4, 8, 12, 16, 20, 25]
        assert len([second for second, _, _ in asked if second > 3_600]) == pytest.approx(82_800 / 300, abs=2)
        assert len(asked) <= 86_400 / UNANSWERED_SECONDS_MAX + 25
        assert [endpoint for _, endpoint, _ in asked].count(Endpoint.SHOW_MANY) == 9, "1, 2, 4 … 256"
        assert not bad.misses, "a refusal is no absence, however often"

    def test_one_that_is_shown_by_itself_is_looked_at_every_minute(self):
        roster, (bad,) = roster_of(1)
        roster.refused(roster.take(0.0, GAP), 0.0)

        def answer(poll, now):
            if poll.endpoint is Endpoint.SHOW:
                look(roster, poll, now)
            else:
                roster.refused(poll, now)

        asked = self.looks(roster, answer, 7_200)
        shown = [second for second, endpoint, _ in asked if endpoint is Endpoint.SHOW]
        assert len(shown) > 7_200 / ANSWERED_SECONDS_MAX - 10
        assert bad.apart

    def test_one_that_show_many_takes_again_shares_requests_again(self):
        roster, (once_bad,) = roster_of(1)
        roster.refused(roster.take(0.0, GAP), 0.0)
        poll = roster.take(10.0, GAP)
        assert (poll.endpoint, poll.alone) == (Endpoint.SHOW_MANY, True)
        look(roster, poll, 10.0)
        assert once_bad.apart is None
        assert not roster.take(60.0, GAP).alone

    def test_one_that_is_not_known_is_lost_after_a_few_requests(self):
        """Confirmed by the single endpoint, after show_many's own word at the end of the grace time."""
        roster, (absent,) = roster_of(1)
        isolate(roster, absent, 0.0)
        lost = []

        def answer(poll, now):
            if poll.endpoint is Endpoint.SHOW_MANY:
                roster.not_found(poll, now)
            elif not poll.confirms:
                roster.not_shown(absent, now)
            elif roster.confirmed_missing(absent, now):
                absent.ended = True
                lost.append(now)

        asked = self.looks(roster, answer, 1_000)
        assert lost == [LOST]
        assert [endpoint for _, endpoint, _ in asked[-2:]] == [Endpoint.SHOW_MANY, Endpoint.SHOW]
        assert len(asked) <= 10

    def test_that_show_does_not_know_it_is_no_proof_by_itself(self):
        """Show many is broken for this job, so it never says that the job is not there."""
        roster, (bad,) = roster_of(1)
        isolate(roster, bad, 0.0)

        def answer(poll, now):
            if poll.endpoint is Endpoint.SHOW_MANY:
                roster.failed(poll, now)
            else:
                assert not poll.confirms
                roster.not_shown(bad, now)

        self.looks(roster, answer, 5_000)

    def test_one_that_show_many_refuses_and_show_does_not_know_is_confirmed_too(self):
        """An id that Zendesk finds malformed: it says so, which proves that it is well, and shows nothing."""
        roster, (bad,) = roster_of(1)
        roster.refused(roster.take(0.0, GAP), 0.0)
        proven = []

        def answer(poll, now):
            if poll.endpoint is Endpoint.SHOW_MANY:
                roster.refused(poll, now)
            elif not poll.confirms:
                roster.not_shown(bad, now)
            elif roster.confirmed_missing(bad, now):
                proven.append(now)

        self.looks(roster, answer, 500)
        assert proven
        assert min(proven) >= LOST

    def test_that_zendesk_stumbles_over_it_by_itself_speaks_against_its_absence(self):
        """Now it is not found, now it breaks everything: something is there."""
        roster, (bad,) = roster_of(1)
        isolate(roster, bad, 0.0)

        def answer(poll, now):
            assert not poll.confirms
            if bad.apart.looks % 3 == 0:
                roster.failed(poll, now)
            elif poll.endpoint is Endpoint.SHOW_MANY:
                roster.not_found(poll, now)
            else:
                roster.not_shown(bad, now)

        assert len(self.looks(roster, answer, 20_000)) > 70

    def test_so_does_that_a_request_for_many_breaks_on_it(self):
        roster, (bad,) = roster_of(1)
        for now in (0.0, 10.0):
            miss(roster, bad, now)
        roster.put_back(roster.take(10.0, GAP).watches, 10.0)
        roster.failed(roster.take(20.0, GAP), 20.0)
        late = watch_of(1)
        roster.add(late, 21.0, 1.0)
        while bad.apart is None:
            poll = roster.take(21.0, GAP)
            if late in poll.watches:
                look(roster, poll, 21.0)
            else:
                roster.failed(poll, 22.0)
        assert not bad.misses

    def test_an_outage_speaks_neither_for_nor_against_it(self):
        roster, (absent,) = roster_of(1)
        isolate(roster, absent, 0.0)
        roster.add(watch_of(1), 1.0, 1.0)
        for now in (1.0, 10.0, 20.0, 40.0, 80.0):
            assert roster.failed(roster.take(now, GAP), now) is Finding.IN_DOUBT
        assert (absent.misses, absent.absent_since, absent.apart.looks > 0) == (1, 0.0, True)

    def test_one_failure_does_not_blind_for_long_who_was_shown_for_hours(self):
        roster, (bad,) = roster_of(1)
        roster.refused(roster.take(0.0, GAP), 0.0)
        poll = roster.take(10_000.0, GAP)
        look(roster, replace(poll, endpoint=Endpoint.SHOW), 10_000.0)
        assert bad.apart
        roster.failed(roster.take(10_060.0, GAP), 10_060.0)
        assert roster.next_at(10_060.0, GAP) <= 10_120.0


class TestBatchLimit:
    def test_told_how_many_ids_are_taken_no_request_holds_more(self):
        roster, watches = roster_of(300)
        roster.too_many(roster.take(5.0, GAP), 40, 5.0)
        sizes = []
        for number in range(20):
            poll = roster.take(6.0 + number, GAP)
            sizes.append(len(poll.watches))
            look(roster, poll, 6.0 + number)
        assert sizes[:3] == [40, 40, 20], "those of the one that was refused, at once"
        assert set(sizes[3:]) == {40}
        assert all(watch.looked_at > 0 for watch in watches)

    def test_the_pace_is_that_of_smaller_requests(self):
        """A request for 40 is worth less than one for 100, and a cycle takes more of them."""
        full, small = roster_of(100)[0], roster_of(100)[0]
        small.limit = small.limit.told(40, 5.0)
        for roster in (full, small):
            while roster._waiting.new:
                look(roster, roster.take(5.0, GAP), 5.0)
        assert small.next_at(5.0, GAP) > full.next_at(5.0, GAP) + 0.2

    def test_once_an_hour_a_larger_one_is_tried(self):
        roster, _ = roster_of(300)
        roster.too_many(roster.take(0.0, GAP), 20, 0.0)
        refused_at = []
        for second in range(1, 4 * 3_600):
            if roster.next_at(float(second), 1.0) <= second:
                poll = roster.take(float(second), 1.0)
                if len(poll.watches) > 20:
                    refused_at.append(second)
                    roster.too_many(poll, 20, float(second))
                else:
                    look(roster, poll, float(second))
        assert len(refused_at) == 3

    def test_what_is_taken_in_parts_only_is_too_much(self):
        """No word on how many: learned from two requests that were refused though nobody in them was at fault."""
        roster, _ = roster_of(200)
        sizes = []
        for second in range(100):
            poll = roster.take(float(second), GAP)
            sizes.append(len(poll.watches))
            if len(poll.watches) > 30:
                roster.refused(poll, float(second))
            else:
                look(roster, poll, float(second))
        assert roster.limit.ids_max == 25
        assert max(sizes[-80:]) == 25

    def test_a_bad_id_lowers_nothing(self):
        roster, watches = roster_of(100)
        bad = watches[37]
        for second in range(200):
            poll = roster.take(float(second), GAP)
            if bad in poll.watches:
                roster.refused(poll, float(second))
            else:
                look(roster, poll, float(second))
        assert roster.limit.ids_max == IDS_MAX


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
        assert len(poll.watches) == 1 or not any(watch.apart for watch in poll.watches)
        self.underway.append(poll)

    @precondition(lambda self: self.underway)
    @rule(data=st.data())
    def reply(self, data):
        poll = self.underway.pop(data.draw(st.integers(0, len(self.underway) - 1)))
        reply = data.draw(replies([watch.job.id for watch in poll.watches]))
        hear(self.roster, poll, reply, self.now, in_trouble=data.draw(st.booleans()))
        if reply.found:
            self.roster.looked([watch for watch in poll.watches if watch.job.id in reply.found], self.now)

    @precondition(lambda self: self.watches)
    @rule(data=st.data())
    def end(self, data):
        data.draw(st.sampled_from(self.watches)).ended = True

    def out(self):
        """Who is underway, or a part of what others are underway for."""
        return [watch for poll in self.underway for watch in (poll.watches if poll.part is None else poll.part.watches)]

    @invariant()
    def each_is_in_one_place(self):
        waiting = [
            *(watch for lane in self.roster._waiting._lanes.values() for watch in lane.watches),
            *self.roster._to_confirm,
            *self.roster._bisection,
            *self.roster._quarantine,
        ]
        places = Counter(map(id, [*waiting, *self.out()]))
        assert all(places[id(watch)] == 1 for watch in self.watches if not watch.ended)
        assert all(places[id(watch)] <= 1 for watch in self.watches)

    @invariant()
    def nobody_waits_for_ever(self):
        live = sum(not watch.ended for watch in self.watches)
        out = sum(not watch.ended for watch in self.out())
        assert (self.roster.next_at(self.now, GAP) <= self.now + UNANSWERED_SECONDS_MAX) is (live > out)

    @invariant()
    def who_was_never_missing_is_not_absent(self):
        assert all(math.isfinite(watch.absent_since) == (watch.misses > 0) for watch in self.watches)

    def teardown(self):
        """Once all replies are good, everybody is looked at in time."""
        for poll in self.underway:
            self.roster.turned_away(poll, self.now)
        started = self.now
        until = started + 2 * UNANSWERED_SECONDS_MAX + 2 * len(self.watches)  # it may be that one at a time is taken
        waiting = {watch for watch in self.watches if not watch.ended}
        while waiting and self.now < until:
            self.now = max(self.roster.next_at(self.now, 1.0), self.now + 1.0)
            poll = self.roster.take(self.now, 1.0)
            if poll is not None:
                look(self.roster, poll, self.now)
                waiting.difference_update(poll.watches)
        assert not waiting


@st.composite
def replies(draw, ids):
    """All that may come back from a request for these ids."""
    match draw(st.sampled_from(["told", "incomplete", "not found", "refused", "too many", "failed", "turned away"])):
        case "told":
            return Reply(found=draw(found(ids)), status=200)
        case "incomplete":
            return Reply(found=draw(found(ids)), status=200, reason=Reason.INCOMPLETE)
        case "not found":
            return Reply(reason=draw(st.sampled_from([Reason.NOT_FOUND, Reason.UNREADABLE])), status=404)
        case "refused":
            return Reply(reason=Reason.REFUSED, status=422)
        case "too many":
            return Reply(reason=Reason.REFUSED, status=400, ids_max=draw(st.integers(1, 120)))
        case "failed":
            return Reply(reason=draw(st.sampled_from([Reason.SERVER_ERROR, Reason.FORBIDDEN])), status=500)
        case _:
            return Reply(reason=draw(st.sampled_from([Reason.RATE_LIMITED, Reason.DNS])))


def found(ids):
    return st.sets(st.sampled_from(ids)).map(lambda some: {job_id: {} for job_id in some})


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
