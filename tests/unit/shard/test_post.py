import pytest

from relay.core.bisection import Finding
from relay.core.job import Job
from relay.core.pacing import Rate
from relay.core.watch import Watch
from relay.core.zendesk import NO_RATE
from relay.errors import Reason
from relay.shard.ports import Account, Polling
from relay.shard.post import Post


def post_of(count):
    account = Account(name="acme", source="", rate=Rate(), polling=Polling(), zendesk=None)
    post = Post(account, 0.0)
    watches = [Watch(Job(account="acme", id=f"V3-{number}", tracked_at=1.0)) for number in range(count)]
    for watch in watches:
        post.roster.add(watch, 0.0, 1.0)
    return post, watches


def test_what_was_turned_away_for_an_outdated_token_goes_first_without_whoever_has_ended():
    post, watches = post_of(3)
    poll = post.take(5.0)
    post.again.append(poll)
    watches[0].ended = True
    assert post.take(6.0).watches == tuple(watches[1:])


def test_a_probe_whose_job_has_ended_leaves_the_others_of_its_part_to_be_asked_about():
    """Or they would be nowhere."""
    post, watches = post_of(4)
    for now in (5.0, 20.0):
        assert post.roster.failed(post.take(now), now) is Finding.IN_DOUBT
    probe = post.take(40.0)
    assert probe.watches == tuple(watches[:2])
    post.again.append(probe)
    for watch in probe.watches:
        watch.ended = True
    assert post.take(41.0) is None
    assert set(post.take(42.0).watches) <= set(watches[2:])


def test_the_oldest_is_the_one_of_which_nothing_was_heard_for_longest():
    post, watches = post_of(2)
    poll = post.take(5.0)
    post.roster.looked(poll.watches[1:], 50.0)
    post.again.append(poll)
    assert post.oldest() is watches[0]


def test_time_that_a_request_waits_for_its_budget_is_told_once():
    """At 60 a minute there is a second between two requests, and new jobs are worth one at once."""
    post, _ = post_of(200)
    post.take(5.0)
    post.pacer.sent(5.0)
    post.pacer.heard(NO_RATE, 5.25)
    until = post.next_at(5.25)
    assert until == pytest.approx(6.0, abs=0.01)
    assert post.held_up_seconds(5.25, until) == until - 5.25
    assert post.held_up_seconds(5.5, until) == 0.0


def test_neither_a_request_that_nobody_wants_yet_nor_one_that_zendesk_denies_waits_for_the_budget():
    post, _ = post_of(0)
    assert post.held_up_seconds(5.0, post.next_at(5.0)) == 0.0
    post, _ = post_of(200)
    post.pacer.denied(5.0, 0.0)
    post.trouble = Reason.UNAUTHORIZED
    assert post.next_at(5.0) > 5.0
    assert post.held_up_seconds(5.0, post.next_at(5.0)) == 0.0
