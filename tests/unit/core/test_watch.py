from relay.core.job import Job
from relay.core.watch import Watch, longest_unseen


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


def test_of_many_the_one_is_found_of_which_nothing_was_heard_for_longest():
    watches = [Watch(Job(account="acme", id=str(number), tracked_at=1.0)) for number in range(3)]
    for watch, looked_at in zip(watches, (7.0, 5.0, 9.0), strict=True):
        watch.tracked_at, watch.looked_at = 1.0, looked_at
    assert longest_unseen(watches) is watches[1]
    assert longest_unseen([]) is None
