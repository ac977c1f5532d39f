"""A poison id and an outage look the same until there is an answer: one is narrowed down, the other waited out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.bisection import FAILURES_MAX, PROBES, REFUSALS_MAX, Bisection, Finding, Part
from relay.core.job import Job
from relay.core.watch import Watch
from relay.core.zendesk import Endpoint


def jobs(count):
    return tuple(Watch(Job(account="acme", id=f"V3-{number:03}", tracked_at=1.0)) for number in range(count))


def take(bisection, now=math.inf):
    part = bisection.take(now)
    return part, part.probe()


def fail(bisection, part, asked, now):
    return bisection.failed(part, asked, now - 0.1, now)


class TestRefused:
    def test_halved_at_once(self):
        bisection, watches = Bisection(), jobs(5)
        assert bisection.refused(Part(watches), watches, 0.0, 0.1) is Finding.NARROWED
        assert [take(bisection)[1] for _ in range(2)] == [watches[:2], watches[2:]]
        assert bisection.take(1.0) is None

    def test_who_stands_alone_is_at_fault(self):
        bisection, watches = Bisection(), jobs(1)
        assert bisection.refused(Part(watches), watches, 0.0, 0.1) is Finding.AT_FAULT
        assert bisection.due_at() == math.inf

    def test_who_was_seen_before_is_asked_about_apart_from_who_was_not_and_first(self):
        bisection, watches = Bisection(), jobs(5)
        for watch in watches[:4]:
            watch.job = replace(watch.job, job_status=b"{}")
        bisection.not_found(Part(watches), watches, 2.0)
        assert [take(bisection)[1] for _ in range(2)] == [watches[:4], watches[4:]]

    def test_where_everything_is_refused_it_is_not_for_the_sake_of_jobs(self):
        """Somebody else answers in Zendesk's place: no more than a few requests are spent on it."""
        bisection, watches = Bisection(), jobs(100)
        part, asked = Part(watches), watches
        findings = []
        for number in range(REFUSALS_MAX + 3):
            findings.append(bisection.refused(part, asked, number, number + 0.1))
            part, asked = take(bisection)
        assert findings == [Finding.NARROWED] * REFUSALS_MAX + [Finding.IN_DOUBT] * 3
        assert bisection.in_doubt or part

    def test_that_jobs_are_not_known_may_be_said_for_ever(self):
        bisection, watches = Bisection(), jobs(100)
        bisection.not_found(Part(watches), watches, 0.0)
        for now in range(1, 99):
            assert bisection.not_found(*take(bisection), now) in {Finding.NARROWED, Finding.AT_FAULT}


class TestInDoubt:
    def outage(self, count, failures):
        """One request that fails again and again; what each of them held."""
        bisection, watches = Bisection(), jobs(count)
        part, asked, held = Part(watches), watches, []
        for number in range(failures):
            held.append((part.endpoint, asked))
            assert fail(bisection, part, asked, float(number)) is Finding.IN_DOUBT
            part, asked = take(bisection)
        return held

    def test_the_same_once_more_then_less_and_less_of_it_each_time_others(self):
        held = self.outage(100, len(PROBES) + 4)
        assert [len(asked) for _, asked in held] == [100, 100, 50, 50, 13, 13, 1, 1, 1, 1]
        halves = [set(asked) for _, asked in held[2:4]]
        assert halves[0].isdisjoint(halves[1])
        assert len({asked for _, asked in held[6:]}) == 4

    def test_every_other_probe_of_one_job_is_by_the_single_endpoint(self):
        """Or the only job of an account, which breaks show_many, would never be seen."""
        assert [endpoint for endpoint, _ in self.outage(1, 4)] == [
            Endpoint.SHOW_MANY,
            Endpoint.SHOW,
            Endpoint.SHOW_MANY,
            Endpoint.SHOW,
        ]
        assert [endpoint for endpoint, _ in self.outage(100, 8)].count(Endpoint.SHOW) == 1

    def test_of_several_requests_one_is_probed_until_it_is_the_next_ones_turn(self):
        bisection, groups = Bisection(), [jobs(40), jobs(40)]
        for watches in groups:
            fail(bisection, Part(watches), watches, 0.0)
        turns = []
        for now in range(1, 40):
            part, asked = take(bisection)
            turns.append(groups.index(next(watches for watches in groups if asked[0] in watches)))
            fail(bisection, part, asked, float(now))
        assert turns[: len(PROBES)] == [0] * len(PROBES)
        assert 5 < sum(turns) < 30

    def test_one_single_job_keeps_nobody_waiting(self):
        bisection, alone, others = Bisection(), jobs(1), jobs(2)
        for watches in (alone, others):
            fail(bisection, Part(watches), watches, 0.0)
        asked = []
        for now in range(1, 5):
            part, probe = take(bisection)
            asked.append(len(part.watches))
            fail(bisection, part, probe, float(now))
        assert {1, 2} == set(asked)

    def test_a_part_waits_for_its_time(self):
        bisection, watches = Bisection(), jobs(2)
        part = Part(watches)
        fail(bisection, part, watches, 0.0)
        part.due_at = 5.0
        assert bisection.take(4.9) is None
        assert bisection.due_at() == 5.0
        assert bisection.take(5.0) is part

    def test_an_answer_about_others_ends_the_doubt_and_what_failed_is_asked_about_at_once(self):
        bisection, watches = Bisection(), jobs(10)
        part = Part(watches)
        fail(bisection, part, watches, 0.0)
        part.due_at = 50.0
        assert bisection.in_doubt
        bisection.answered(None, jobs(3), 1.0)
        assert not bisection.in_doubt
        assert take(bisection, 1.0) == (part, watches)

    def test_a_probe_that_is_answered_leaves_the_rest_to_be_asked_about_as_a_whole(self):
        bisection, watches = Bisection(), jobs(10)
        part, asked = Part(watches), watches
        for now in range(2):
            fail(bisection, part, asked, float(now))
            part, asked = take(bisection)
        assert asked == watches[:5]
        bisection.answered(part, asked, 3.0)
        assert take(bisection) == (part, watches[5:])

    def test_a_job_that_is_shown_by_itself_leaves_and_show_many_is_probed_next(self):
        bisection, watches = Bisection(), jobs(2)
        part, asked = Part(watches), watches
        for now in range(3):
            fail(bisection, part, asked, float(now))
            part, asked = take(bisection)
        assert (part.endpoint, len(asked)) == (Endpoint.SHOW, 1)
        bisection.shown(part, asked[0])
        rest, probe = take(bisection)
        assert rest.endpoint is Endpoint.SHOW_MANY
        assert {*probe, *asked} == set(watches)

    def test_whoever_ends_leaves_and_so_does_the_doubt_with_the_last_of_them(self):
        bisection, watches = Bisection(), jobs(2)
        fail(bisection, Part(watches), watches, 0.0)
        watches[0].ended = True
        bisection.forget_ended()
        assert list(bisection) == [watches[1]]
        watches[1].ended = True
        bisection.forget_ended()
        assert not bisection.in_doubt
        assert bisection.due_at() == math.inf


class TestEvidence:
    def test_what_failed_before_and_after_an_answer_is_narrowed_down(self):
        bisection, watches = Bisection(), jobs(10)
        part = Part(watches)
        assert fail(bisection, part, watches, 0.0) is Finding.IN_DOUBT
        bisection.answered(None, jobs(1), 1.0)
        assert fail(bisection, *take(bisection), 2.0) is Finding.NARROWED
        assert fail(bisection, *take(bisection), 3.0) is Finding.NARROWED, "its parts need no answers of their own"

    def test_an_answer_before_the_first_failure_proves_nothing(self):
        bisection, watches = Bisection(), jobs(10)
        bisection.answered(None, jobs(1), 1.0)
        assert fail(bisection, Part(watches), watches, 2.0) is Finding.IN_DOUBT

    def test_an_outage_that_begins_meanwhile_is_noticed(self):
        bisection, watches = Bisection(), jobs(100)
        fail(bisection, Part(watches), watches, 0.0)
        bisection.answered(None, jobs(1), 1.0)
        findings = [fail(bisection, *take(bisection), float(now)) for now in range(2, 12)]
        assert findings == [Finding.NARROWED] * FAILURES_MAX + [Finding.IN_DOUBT] * (10 - FAILURES_MAX)

    def test_requests_that_were_underway_together_fail_together(self):
        bisection = Bisection()
        groups = [jobs(10) for _ in range(8)]
        parts = [Part(watches) for watches in groups]
        for part, watches in zip(parts, groups, strict=True):
            bisection.failed(part, watches, sent_at=0.0, now=0.1)
        bisection.answered(None, jobs(1), 1.0)
        taken = [take(bisection) for _ in parts]
        findings = {bisection.failed(*each, sent_at=2.0, now=2.1) for each in taken}
        assert findings == {Finding.NARROWED}


class TestInquiry:
    def play(self, count, guilty=()):
        """Refused as a whole, and in part wherever somebody guilty is among them, or where they are more than 30."""
        bisection, watches = Bisection(), jobs(count)
        bisection.refused(Part(watches), watches, 0.0, 0.0)
        guilty, ended = {watches[number] for number in guilty}, []
        for now in range(1, 4 * count):
            part = bisection.take(float(now))
            if part is None:
                break
            if guilty.isdisjoint(part.watches) and len(part.watches) <= 30:
                ended.append(bisection.answered(part, part.watches, float(now)))
            else:
                bisection.refused(part, part.watches, float(now), float(now))
        return [inquiry for inquiry in ended if inquiry is not None]

    def test_one_that_ends_with_nobody_at_fault_tells_what_was_taken(self):
        (inquiry,) = self.play(100)
        assert (inquiry.size, inquiry.largest) == (100, 25)

    def test_whoever_is_at_fault_explains_the_refusal(self):
        assert self.play(100, guilty=[63]) == []

    def test_so_does_whoever_has_ended(self):
        """Nobody knows what would have become of the request for it."""
        bisection, watches = Bisection(), jobs(2)
        bisection.refused(Part(watches), watches, 0.0, 0.0)
        watches[0].ended = True
        bisection.forget_ended()
        assert bisection.answered(*take(bisection), 1.0) is None


@given(st.integers(2, 100), st.data())
def test_each_job_stays_in_one_part(count, data):
    bisection, watches = Bisection(), jobs(count)
    bisection.refused(Part(watches), watches, 0.0, 0.0)
    gone = set()
    for now in range(1, 30):
        part = bisection.take(float(now))
        if part is None:
            break
        asked = part.probe()
        match data.draw(st.sampled_from(["answered", "refused", "not found", "failed", "put back"])):
            case "answered":
                gone.update(asked)
                bisection.answered(part, asked, float(now))
            case "put back":
                bisection.put_back(part)
            case what:
                finding = (
                    bisection.not_found(part, asked, float(now))
                    if what == "not found"
                    else getattr(bisection, what)(part, asked, float(now), float(now))
                )
                if finding is Finding.AT_FAULT:
                    gone.update(asked)
        assert sorted(watch.job.id for watch in (*bisection, *gone)) == [watch.job.id for watch in watches]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 100])
def test_a_probe_is_never_empty(count):
    part = Part(jobs(count))
    for failures in range(12):
        part.failures = failures
        assert 1 <= len(part.probe()) <= count
