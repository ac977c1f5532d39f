from relay.core.job import Job
from relay.core.watch import Watch


def test_nothing_was_heard_of_it_since_the_last_reply_about_it_or_since_it_was_tracked():
    watch = Watch(Job(account="acme", id="V3-1", tracked_at=1.0))
    watch.tracked_at = 5.0
    assert watch.unseen_since == 5.0
    watch.looked_at = 9.0
    assert watch.unseen_since == 9.0


def test_it_is_seen_once_it_was_shown_and_while_no_reply_misses_it():
    watch = Watch(Job(account="acme", id="V3-1", tracked_at=1.0))
    watch.looked_at = 9.0
    assert not watch.seen
    watch.job = Job(account="acme", id="V3-1", tracked_at=1.0, job_status=b"{}")
    assert watch.seen
    watch.misses = 1
    assert not watch.seen
