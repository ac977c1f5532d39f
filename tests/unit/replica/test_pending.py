"""What was acknowledged and is not shown yet: until it is, for so long, and no more than so much of it."""

from relay.core.job import Callback, Job
from relay.replica import pending
from relay.replica.pending import BYTES_MAX, LOOK_SECONDS, SECONDS_MAX, UNSEEN_BYTES_MAX, Pending


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def job(job_id, **fields):
    return Job(account="acme", id=job_id, tracked_at=1.0, **fields)


def pending_jobs(clock=None):
    return Pending(partitions=3, monotonic=clock or Clock())


def test_a_job_is_found_until_what_stands_before_its_record_and_the_record_itself_are_shown():
    found = pending_jobs()
    found.put(1, job("a"), 7)
    found.shown(0, 100)
    found.shown(1, 7)
    assert found.find(1, job("a").key) == job("a")
    assert found.find(0, job("a").key) is None
    found.shown(1, 8)
    assert found.find(1, job("a").key) is None


def test_the_newest_that_was_acknowledged_counts():
    found = pending_jobs()
    found.put(1, job("a"), 7)
    found.put(1, job("a", state="deleted"), 9)
    found.shown(1, 9)
    assert found.find(1, job("a").key).state == "deleted"


def test_nothing_is_believed_for_ever():
    clock = Clock()
    found = pending_jobs(clock)
    found.put(1, job("a"), 7)
    clock.now += SECONDS_MAX
    assert found.find(1, job("a").key) is None


def test_the_oldest_go_first_from_where_most_are(monkeypatch):
    """A partition without an owner does not push out what others are about to show."""
    monkeypatch.setattr(pending, "BYTES_MAX", 20_000)
    found = pending_jobs()
    found.put(0, job("kept"), 1)
    for number in range(100):
        found.put(1, job(f"n{number}"), number)
    assert found.find(0, job("kept").key) is not None
    left = [number for number in range(100) if found.find(1, job(f"n{number}").key) is not None]
    assert left == list(range(82, 100))


def test_what_jobs_carry_counts(monkeypatch):
    monkeypatch.setattr(pending, "BYTES_MAX", 20_000)
    found = pending_jobs()
    found.put(0, job("a", metadata=b"x" * 10_000), 1)
    found.put(0, job("b", callbacks=(Callback(url="https://x.example/" + "y" * 10_000),)), 2)
    assert found.find(0, job("a").key) is None
    assert found.find(0, job("b").key) is not None


def test_a_look_is_due_when_there_are_many_and_the_last_one_is_a_while_ago():
    clock = Clock()
    found = pending_jobs(clock)
    clock.now += LOOK_SECONDS
    assert not found.due
    found.put(0, job("a", metadata=b"x" * UNSEEN_BYTES_MAX), 1)
    assert found.due
    found.shown(0, 1)
    assert not found.due
    clock.now += LOOK_SECONDS
    assert found.due
    found.shown(0, 2)
    clock.now += LOOK_SECONDS
    assert not found.due


def test_a_look_is_due_only_where_something_waits_and_nobody_has_just_looked():
    clock = Clock()
    found = pending_jobs(clock)
    for number in (0, 2):
        found.put(number, job("a", metadata=b"x" * UNSEEN_BYTES_MAX), 1)
    clock.now += LOOK_SECONDS
    assert list(found.due) == [0, 2]
    found.shown(2, 1)
    assert list(found.due) == [0]


def test_one_that_is_as_large_as_a_job_may_be_fits():
    found = pending_jobs()
    found.put(0, job("a", metadata=b"x" * 16_384), 1)
    assert found.find(0, job("a").key) is not None
    assert BYTES_MAX > 1_000 * 16_384
