from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from relay.core.delivery import (
    ERROR_CHARACTERS_MAX,
    JITTER,
    PUT_BACK_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    Attempt,
    Delivery,
    DeliveryState,
    Schedule,
    Subscription,
    Verdict,
    give_up,
    next_event,
    overage,
    owe,
    owed,
    revive,
    settle,
    verdict,
    wants,
)
from relay.core.events import TERMINAL_TYPES
from relay.core.job import Event, EventType, Job, Outcome
from relay.errors import Reason

ALL = frozenset(EventType)
EVERYTHING = Subscription(sink="orders", types=ALL)
TERMINAL = Subscription(sink="orders")
DELIVERED = Attempt()
FAILED = Attempt(reason=Reason.SERVER_ERROR, detail="503 try later")
GONE = Attempt(reason=Reason.GONE, detail="410")
LIMITED = Attempt(reason=Reason.RATE_LIMITED, detail="429")
CALLBACK = Subscription(sink="orders", resumable=False)
SCHEDULE = Schedule(retry_seconds=(0, 5, 300))


def record(job, kind, outcome=None):
    """The job with a further event, kept as `observe` keeps them: started, newest progress, terminal."""
    event = Event(
        type=kind, sequence=job.sequence + 1, detected_at=0.0, previous_status=None, metadata=b"{}", job_status=b"{}"
    )
    kept = job.events
    if kind is EventType.PROGRESSED:
        kept = tuple(other for other in kept if other.type is not kind)
    return structs.replace(job, sequence=event.sequence, events=(*kept, event), outcome=outcome)


def job_with(*kinds, outcome=Outcome.SUCCEEDED):
    job = Job(account="acme", id="V3-1", tracked_at=1.0)
    for kind in kinds:
        job = record(job, kind, outcome if kind in TERMINAL_TYPES else None)
    return job


STARTED, PROGRESSED, COMPLETED = EventType.STARTED, EventType.PROGRESSED, EventType.COMPLETED


def row(sequence=1, **fields):
    own = {"since": 100.0, "due_at": 100.0} | fields
    return Delivery(account="acme", job_id="V3-1", tracked_at=1.0, sink="orders", sequence=sequence, **own)


def settled(
    delivery,
    job,
    attempt=DELIVERED,
    *,
    sent=None,
    subscription=EVERYTHING,
    now=200.0,
    jitter=0.0,
    schedule=SCHEDULE,
    probe=False,
):
    return settle(
        delivery,
        attempt,
        attempted_sequence=delivery.sequence if sent is None else sent,
        job=job,
        subscription=subscription,
        now=now,
        schedule=schedule,
        jitter=jitter,
        probe=probe,
    )


class TestWants:
    @pytest.mark.parametrize("kind", EventType)
    def test_by_default_a_sink_wants_the_terminal_events(self, kind):
        job = job_with(kind)
        assert wants(TERMINAL, job, job.events[0]) is (kind not in {STARTED, PROGRESSED})

    def test_outcomes_choose_among_terminal_events_only(self):
        only_bad = replace(EVERYTHING, outcomes=frozenset({Outcome.FAILED, Outcome.PARTIALLY_FAILED}))
        good, bad = (job_with(STARTED, COMPLETED, outcome=outcome) for outcome in (Outcome.SUCCEEDED, Outcome.FAILED))
        assert [wants(only_bad, good, event) for event in good.events] == [True, False]
        assert [wants(only_bad, bad, event) for event in bad.events] == [True, True]

    @pytest.mark.parametrize(
        ("patterns", "wanted"),
        [(("*",), True), (("acme",), True), (("b*", "ac*"), True), (("ACME",), False), ((), False)],
    )
    def test_accounts_are_chosen_by_glob_patterns(self, patterns, wanted):
        job = job_with(COMPLETED)
        assert wants(replace(TERMINAL, accounts=patterns), job, job.events[0]) is wanted


class TestNextEvent:
    def following(self, job, after, subscription=EVERYTHING):
        event = next_event(job, after, subscription)
        return None if event is None else event.sequence

    def test_while_the_job_runs_events_come_in_order(self):
        job = job_with(STARTED, PROGRESSED, PROGRESSED)
        assert [self.following(job, after) for after in range(4)] == [1, 3, 3, None]

    def test_the_terminal_event_goes_before_all_that_is_undelivered(self):
        job = job_with(STARTED, PROGRESSED, COMPLETED)
        assert [self.following(job, after) for after in range(4)] == [3, 3, 3, None]

    def test_a_terminal_event_that_the_sink_does_not_want_takes_nothing_from_it(self):
        job = job_with(STARTED, PROGRESSED, COMPLETED)
        only_failed = replace(EVERYTHING, outcomes=frozenset({Outcome.FAILED}))
        assert [self.following(job, after, only_failed) for after in range(4)] == [1, 2, None, None]

    def test_the_end_of_a_deleted_job_is_still_owed(self):
        assert self.following(structs.replace(job_with(STARTED, COMPLETED), state="deleted"), 0) == 2


class TestOwe:
    def test_the_first_wanted_event_makes_a_row_that_is_due_at_once(self):
        assert owe(job_with(STARTED), None, EVERYTHING, 100.0) == row()
        assert owe(job_with(STARTED), None, TERMINAL, 100.0) is None

    def test_a_second_event_waits_for_its_turn(self):
        assert owe(job_with(STARTED, PROGRESSED), row(), EVERYTHING, 200.0) is None

    def test_newer_progress_replaces_older_and_inherits_its_back_off(self):
        """Or an endpoint in trouble would be tried with every new progress."""
        waiting = row(2, attempts=2, due_at=400.0, error="503")
        changed = owe(job_with(STARTED, PROGRESSED, PROGRESSED), waiting, EVERYTHING, 200.0)
        assert changed == structs.replace(waiting, sequence=3)

    def test_the_terminal_event_is_tried_at_once_whatever_the_back_off(self):
        waiting = row(1, attempts=2, due_at=90_000.0, error="503")
        assert owe(job_with(STARTED, COMPLETED), waiting, EVERYTHING, 200.0) == row(2, since=200.0, due_at=200.0)

    @pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
    def test_a_settled_row_opens_again_for_a_newer_event(self, state):
        """A dead progress event does not stand in the way of a later one."""
        closed = row(1, state=state, attempts=3, settled_at=150.0, error="503")
        assert owe(job_with(STARTED, PROGRESSED), closed, EVERYTHING, 200.0) == row(2, since=200.0, due_at=200.0)
        assert owe(job_with(STARTED), closed, EVERYTHING, 200.0) is None

    def test_a_row_that_nobody_wants_any_more_is_closed(self):
        """The subscription may have changed over a restart."""
        job = job_with(STARTED, PROGRESSED)
        assert owed(row(), job, TERMINAL) is None
        closed = owe(job, row(), TERMINAL, 200.0)
        assert closed == row(state=DeliveryState.DELIVERED, settled_at=200.0, error="no longer subscribed")

    def test_a_row_whose_event_is_gone_owes_what_took_its_place(self):
        """The sink may have been out of the configuration while the job went on."""
        assert owed(row(2), job_with(STARTED, PROGRESSED, PROGRESSED), EVERYTHING).sequence == 3
        assert owed(row(2), job_with(STARTED, PROGRESSED, COMPLETED), EVERYTHING).sequence == 3


class TestSettle:
    def test_a_success_closes_the_row_if_nothing_follows(self):
        assert settled(row(), job_with(STARTED)) == row(state=DeliveryState.DELIVERED, attempts=1, settled_at=200.0)

    def test_a_success_is_followed_by_the_next_event_at_once(self):
        job = job_with(STARTED, PROGRESSED)
        assert settled(row(attempts=2, error="503"), job) == row(2, since=200.0, due_at=200.0)

    @pytest.mark.parametrize(("failures", "wait"), [(0, 5.0), (1, 300.0)])
    def test_a_failure_waits_as_the_schedule_says(self, failures, wait):
        after = settled(row(attempts=failures), job_with(STARTED), FAILED)
        assert after == row(attempts=failures + 1, due_at=200.0 + wait, error="server_error: 503 try later")

    def test_the_default_schedule_is_the_documented_one(self):
        """0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: ten attempts in 75.6 h."""
        delivery, now, waits = row(), 100.0, []
        while delivery.state is DeliveryState.PENDING:
            waits.append(delivery.due_at - now)
            now = delivery.due_at
            delivery = settled(delivery, job_with(STARTED), FAILED, now=now, schedule=Schedule())
        assert waits == [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
        assert round((now - 100) / 3_600, 1) == 75.6
        assert (delivery.state, delivery.attempts, delivery.settled_at) == (DeliveryState.DEAD, 10, now)

    def test_jitter_only_adds(self):
        after = settled(row(), job_with(STARTED), FAILED, jitter=0.5)
        assert after.due_at == pytest.approx(200 + 5 * (1 + JITTER / 2))

    @pytest.mark.parametrize(("asked", "wait"), [(2.0, 5.0), (60.0, 60.0), (1e9, RETRY_AFTER_SECONDS_MAX)])
    def test_retry_after_is_obeyed_within_bounds(self, asked, wait):
        limited = Attempt(reason=Reason.RATE_LIMITED, retry_after_seconds=asked)
        assert settled(row(), job_with(STARTED), limited).due_at == 200 + wait

    def test_the_last_attempt_of_the_schedule_decides(self):
        after = settled(row(attempts=2), job_with(STARTED), FAILED)
        assert (after.state, after.attempts, after.settled_at) == (DeliveryState.DEAD, 3, 200.0)
        assert after.error == "server_error: 503 try later"

    def test_a_delivery_dies_of_age_even_with_attempts_left(self):
        """It was held up by something else than its attempts, such as a service that was down for days."""
        old = 100 + SCHEDULE.age_seconds_max + 1
        assert settled(row(), job_with(STARTED), FAILED, now=old).state is DeliveryState.DEAD
        assert settled(row(), job_with(STARTED), FAILED, now=old - 2).state is DeliveryState.PENDING

    def test_slow_attempts_and_full_jitter_are_no_age(self):
        """However short the schedule, each of its attempts is made."""
        schedule = Schedule(retry_seconds=(0, 0.1, 0.1, 0.1))
        delivery, now = row(), 100.0
        for _ in schedule.retry_seconds:
            assert delivery.state is DeliveryState.PENDING
            now = delivery.due_at + 59
            delivery = settled(delivery, job_with(STARTED), FAILED, now=now, jitter=0.999, schedule=schedule)
        assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, 4)

    def test_what_waits_behind_a_dead_event_gets_its_turn(self):
        assert settled(row(attempts=2), job_with(STARTED, PROGRESSED), FAILED) == row(2, since=200.0, due_at=200.0)

    def test_the_error_is_bounded(self):
        long = Attempt(reason=Reason.REFUSED, detail="x" * 5_000)
        assert len(settled(row(), job_with(STARTED), long).error) == ERROR_CHARACTERS_MAX

    @pytest.mark.parametrize("failures", range(3))
    def test_a_410_holds_the_delivery_until_somebody_resumes_the_sink(self, failures):
        """Then it is due at once, with all the attempts that it had left, however long that took."""
        old = 100 + SCHEDULE.age_seconds_max + 1
        after = settled(row(attempts=failures), job_with(STARTED), GONE, now=old, jitter=0.9)
        assert after == row(attempts=failures, due_at=old, error="gone: 410")

    def test_a_410_of_a_callback_is_for_good(self):
        """Its url was named for this job, and nobody could bring it back."""
        after = settled(row(2), job_with(STARTED, COMPLETED), GONE, subscription=CALLBACK)
        assert after == row(2, state=DeliveryState.DEAD, attempts=1, settled_at=200.0, error="gone: 410")

    @pytest.mark.parametrize(
        ("attempt", "probe"),
        [
            (LIMITED, False),
            (Attempt(reason=Reason.UNAVAILABLE, retry_after_seconds=1.0), False),
            (FAILED, True),
            (Attempt(reason=Reason.TIMEOUT), True),
        ],
    )
    @pytest.mark.parametrize("failures", range(3))
    def test_an_attempt_that_says_nothing_of_the_delivery_uses_up_none(self, attempt, probe, failures):
        """It only goes behind what else is due, even where it was the last one."""
        after = settled(row(attempts=failures), job_with(STARTED), attempt, probe=probe)
        assert (after.state, after.attempts) == (DeliveryState.PENDING, failures)
        assert 200 < after.due_at <= 200 + PUT_BACK_SECONDS_MAX
        assert after.error == attempt.error

    @pytest.mark.parametrize("probe", [True, False])
    def test_even_so_a_retry_after_is_obeyed(self, probe):
        limited = Attempt(reason=Reason.RATE_LIMITED, retry_after_seconds=77.0)
        assert settled(row(), job_with(STARTED), limited, probe=probe).due_at == 277.0

    def test_even_so_it_dies_of_age(self):
        old = 100 + SCHEDULE.age_seconds_max + 1
        after = settled(row(), job_with(STARTED), LIMITED, now=old)
        assert (after.state, after.attempts, after.error) == (DeliveryState.DEAD, 0, "rate_limited: 429")

    @pytest.mark.parametrize("schedule", [(0.0,), (0.0, 0.1)])
    def test_with_a_short_schedule_it_is_not_put_back_for_longer_than_that(self, schedule):
        after = settled(row(since=190.0), job_with(STARTED), LIMITED, schedule=Schedule(retry_seconds=schedule))
        assert after.due_at == 200 + schedule[-1]


TAKEN, BACK, AGAIN, HELD, OVER = Verdict.DELIVERED, Verdict.PUT_BACK, Verdict.FAILED, Verdict.HELD, Verdict.GONE
EXCEPTIONS = {
    # without Retry-After, with one, without as a probe
    None: (TAKEN, TAKEN, TAKEN),
    Reason.RATE_LIMITED: (BACK, BACK, BACK),
    Reason.UNAVAILABLE: (AGAIN, BACK, BACK),
    Reason.GONE: (HELD, HELD, HELD),
}
DECISIONS = {reason: EXCEPTIONS.get(reason, (AGAIN, AGAIN, BACK)) for reason in (None, *Reason)}


class TestVerdict:
    @pytest.mark.parametrize(("reason", "expected"), DECISIONS.items())
    def test_the_whole_table(self, reason, expected):
        plain, asking = Attempt(reason=reason), Attempt(reason=reason, retry_after_seconds=5.0)
        assert (verdict(plain), verdict(asking), verdict(plain, probe=True)) == expected

    @pytest.mark.parametrize(("reason", "expected"), DECISIONS.items())
    def test_for_a_callback_only_the_410_differs(self, reason, expected):
        plain, asking = Attempt(reason=reason), Attempt(reason=reason, retry_after_seconds=5.0)
        told = [
            verdict(plain, resumable=False),
            verdict(asking, resumable=False),
            verdict(plain, resumable=False, probe=True),
        ]
        assert told == [OVER if one is HELD else one for one in expected]


class TestOverage:
    OLD = 100 + SCHEDULE.age_seconds_max + 1

    def overaged(self, delivery, job, now=OLD):
        return overage(delivery, job, EVERYTHING, schedule=SCHEDULE, now=now)

    @pytest.mark.parametrize(("before", "error"), [("503", "503"), (None, "held up until it was too old")])
    def test_what_has_waited_for_too_long_is_given_up_with_its_last_error(self, before, error):
        waiting = row(attempts=1, due_at=1e12, error=before)
        dead = structs.replace(waiting, state=DeliveryState.DEAD, settled_at=self.OLD, error=error)
        assert self.overaged(waiting, job_with(STARTED)) == dead

    def test_what_waits_behind_it_gets_its_turn(self):
        assert self.overaged(row(), job_with(STARTED, PROGRESSED)) == row(2, since=self.OLD, due_at=self.OLD)

    def test_what_is_not_too_old_stays_as_it_is(self):
        assert self.overaged(row(), job_with(STARTED), now=self.OLD - 2) == row()

    @pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
    def test_what_was_settled_meanwhile_stays_as_it_is(self, state):
        closed = row(state=state, settled_at=150.0)
        assert self.overaged(closed, job_with(STARTED)) == closed


def test_what_is_given_up_is_dead_and_says_why():
    dead = row(state=DeliveryState.DEAD, settled_at=200.0, error="not allowed")
    assert give_up(row(), job_with(STARTED), EVERYTHING, "not allowed", 200.0) == dead


class TestRevive:
    @pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
    def test_what_was_settled_is_owed_again_at_once_with_all_attempts(self, state):
        closed = row(2, state=state, attempts=10, settled_at=150.0, error="503")
        assert revive(closed, job_with(STARTED, COMPLETED), EVERYTHING, 200.0) == row(2, since=200.0, due_at=200.0)

    def test_what_waits_is_due_at_once_and_keeps_its_count(self):
        waiting = row(attempts=2, due_at=9e9, error="503")
        assert revive(waiting, job_with(STARTED), EVERYTHING, 200.0) == structs.replace(waiting, due_at=200.0)

    def test_what_took_the_place_of_a_replaced_event_is_sent_instead(self):
        closed = row(2, state=DeliveryState.DEAD, settled_at=150.0)
        job = job_with(STARTED, PROGRESSED, PROGRESSED)
        assert revive(closed, job, EVERYTHING, 200.0) == row(3, since=200.0, due_at=200.0)

    @pytest.mark.parametrize("state", DeliveryState)
    def test_what_the_sink_does_not_want_any_more_is_not_sent(self, state):
        assert revive(row(state=state), job_with(STARTED), TERMINAL, 200.0) is None


class TestSettleAfterTheJobMovedOn:
    """The event was in flight when the job got a newer one, and the row already names that."""

    MOVED = job_with(STARTED, PROGRESSED, PROGRESSED)

    def test_a_success_leaves_the_newer_progress_owed(self):
        assert settled(row(3, attempts=1), self.MOVED, sent=2) == row(3, since=200.0, due_at=200.0)

    def test_a_failure_counts_for_the_newer_progress(self):
        """Or fast progress would keep an endpoint in trouble from ever being left alone."""
        after = settled(row(3), self.MOVED, FAILED, sent=2)
        assert (after.sequence, after.attempts, after.due_at) == (3, 1, 205.0)

    @pytest.mark.parametrize("attempt", [LIMITED, GONE])
    def test_what_does_not_count_leaves_the_newer_progress_owed(self, attempt):
        after = settled(row(3, attempts=2), self.MOVED, attempt, sent=2)
        assert (after.sequence, after.attempts, after.state) == (3, 2, DeliveryState.PENDING)

    def test_giving_up_on_the_older_lets_the_newer_start_afresh(self):
        assert settled(row(3, attempts=2), self.MOVED, FAILED, sent=2) == row(3, since=200.0, due_at=200.0)

    @pytest.mark.parametrize("attempt", [DELIVERED, FAILED, LIMITED, GONE])
    def test_an_older_attempt_says_nothing_about_the_terminal_event(self, attempt):
        final = row(4, since=190.0, due_at=190.0)
        assert settled(final, record(self.MOVED, COMPLETED, Outcome.SUCCEEDED), attempt, sent=3) == final

    def test_a_row_that_was_settled_meanwhile_stays_settled(self):
        closed = row(state=DeliveryState.DELIVERED, settled_at=150.0, error="no longer subscribed")
        assert settled(closed, job_with(STARTED), FAILED) == closed


SUBSCRIPTIONS = {
    "everything": Subscription(sink="everything", types=ALL),
    "terminal": Subscription(sink="terminal"),
    "started": Subscription(sink="started", types=frozenset({STARTED})),
    "failures": Subscription(sink="failures", types=ALL, outcomes=frozenset({Outcome.FAILED})),
    "others": Subscription(sink="others", types=ALL, accounts=("b*",)),
}


class DeliveryOfOneJob(RuleBasedStateMachine):
    """A shard in miniature: rows and the job are what a ledger keeps; attempts in flight are lost by a restart."""

    def __init__(self):
        super().__init__()
        self.now = 1_000.0
        self.job = Job(account="acme", id="V3-1", tracked_at=1_000.0)
        self.rows: dict[str, Delivery] = {}
        self.in_flight: dict[str, Event] = {}
        self.received: dict[str, list[int]] = {name: [] for name in SUBSCRIPTIONS}
        self.terminal: Event | None = None

    @initialize(retries=st.lists(st.sampled_from([0.0, 5.0, 300.0]), min_size=1, max_size=4))
    def configure(self, retries):
        self.schedule = Schedule(retry_seconds=tuple(retries))

    def _record(self, kind, outcome=None):
        self.job = record(self.job, kind, outcome)
        for name, subscription in SUBSCRIPTIONS.items():
            changed = owe(self.job, self.rows.get(name), subscription, self.now)
            if changed is not None:
                self.rows[name] = changed

    @precondition(lambda self: not self.job.events)
    @rule()
    def starts(self):
        self._record(STARTED)

    @precondition(lambda self: self.terminal is None)
    @rule()
    def progresses(self):
        self._record(PROGRESSED)

    @precondition(lambda self: self.terminal is None)
    @rule(kind=st.sampled_from(sorted(TERMINAL_TYPES)), outcome=st.sampled_from(Outcome))
    def ends(self, kind, outcome):
        before = dict(self.rows)
        self._record(kind, outcome)
        self.terminal = self.job.events[-1]
        for name, subscription in SUBSCRIPTIONS.items():
            if wants(subscription, self.job, self.terminal):
                assert (self.rows[name].due_at, self.rows[name].attempts) == (self.now, 0)
            else:
                assert self.rows.get(name) == before.get(name)

    @rule(seconds=st.sampled_from([1.0, 10.0, 400.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(name=st.sampled_from(list(SUBSCRIPTIONS)))
    def attempt_begins(self, name):
        delivery = self.rows.get(name)
        idle = name not in self.in_flight
        if idle and delivery and delivery.state is DeliveryState.PENDING and delivery.due_at <= self.now:
            self.in_flight[name] = owed(delivery, self.job, SUBSCRIPTIONS[name])

    @rule(
        name=st.sampled_from(list(SUBSCRIPTIONS)),
        taken=st.booleans(),
        answered=st.booleans(),
        refusal=st.sampled_from([FAILED, LIMITED, GONE, Attempt(reason=Reason.UNAVAILABLE, retry_after_seconds=40.0)]),
        probe=st.booleans(),
        jitter=st.floats(0, 0.99),
    )
    def attempt_ends(self, name, taken, answered, refusal, probe, jitter):
        """`taken`: the receiver has it. `answered`: we get to know, otherwise it says no in this way."""
        event = self.in_flight.pop(name, None)
        if event is None:
            return
        if taken:
            self._receive(name, event)
        before = self.rows[name]
        self.rows[name] = settle(
            before,
            Attempt() if taken and answered else refusal,
            attempted_sequence=event.sequence,
            job=self.job,
            subscription=SUBSCRIPTIONS[name],
            now=self.now,
            schedule=self.schedule,
            jitter=jitter,
            probe=probe,
        )
        if self.terminal is not None and before.sequence == self.terminal.sequence != event.sequence:
            assert self.rows[name] == before

    @rule(name=st.sampled_from(list(SUBSCRIPTIONS)))
    def endpoint_stood_still(self, name):
        """Only what nobody has in hand is judged by its age."""
        if name in self.rows and name not in self.in_flight:
            self.rows[name] = overage(
                self.rows[name], self.job, SUBSCRIPTIONS[name], schedule=self.schedule, now=self.now
            )

    @rule(name=st.sampled_from(list(SUBSCRIPTIONS)))
    def person_retries(self, name):
        row = self.rows.get(name)
        revived = None if row is None else revive(row, self.job, SUBSCRIPTIONS[name], self.now)
        if revived is not None:
            assert (revived.state, revived.due_at) == (DeliveryState.PENDING, self.now)
            self.rows[name] = revived

    @rule(reached=st.booleans())
    def restart(self, reached):
        for name, event in self.in_flight.items():
            if reached:
                self._receive(name, event)
        self.in_flight.clear()

    def _receive(self, name, event):
        earlier = self.received[name]
        assert wants(SUBSCRIPTIONS[name], self.job, event)
        assert not earlier or event.sequence >= earlier[-1], "an event came after a later one"
        earlier.append(event.sequence)

    @invariant()
    def what_is_pending_can_be_sent(self):
        for name, delivery in self.rows.items():
            if delivery.state is DeliveryState.PENDING:
                event = owed(delivery, self.job, SUBSCRIPTIONS[name])
                assert event is not None
                assert event.sequence == delivery.sequence
                assert delivery.due_at <= self.now + max(*self.schedule.retry_seconds, 40.0) * (1 + JITTER)

    @invariant()
    def what_is_settled_owes_nothing(self):
        for name, delivery in self.rows.items():
            if delivery.state is not DeliveryState.PENDING:
                assert next_event(self.job, delivery.sequence, SUBSCRIPTIONS[name]) is None

    @invariant()
    def a_wanted_end_is_pending_delivered_or_dead(self):
        if self.terminal is None:
            return
        for name, subscription in SUBSCRIPTIONS.items():
            if not wants(subscription, self.job, self.terminal):
                assert self.terminal.sequence not in self.received[name]
                continue
            delivery = self.rows[name]
            assert delivery.sequence == self.terminal.sequence
            if delivery.state is DeliveryState.DELIVERED:
                assert self.received[name][-1] == self.terminal.sequence
            if delivery.state is DeliveryState.DEAD:
                assert delivery.error

    def teardown(self):
        """Whatever happened, working receivers get all that is owed within a bounded number of attempts."""
        self.in_flight.clear()
        for name, subscription in SUBSCRIPTIONS.items():
            delivery, attempts = self.rows.get(name), 0
            while delivery is not None and delivery.state is DeliveryState.PENDING:
                self._receive(name, owed(delivery, self.job, subscription))
                delivery, attempts = settled(delivery, self.job, subscription=subscription, now=self.now), attempts + 1
                assert attempts <= 3


TestDeliveryOfOneJob = DeliveryOfOneJob.TestCase
TestDeliveryOfOneJob.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
