"""What a reply means for the account; what it means for the jobs is for the roster's tests."""

import pytest

from relay.core.hearing import Health, Verdict, hear, verdict
from relay.core.job import Job
from relay.core.poll import Poll
from relay.core.schedule import Roster
from relay.core.watch import Apart, Watch
from relay.core.zendesk import Endpoint, Reply
from relay.errors import Reason

GAP = 0.0
MANY = Poll(
    endpoint=Endpoint.SHOW_MANY,
    watches=tuple(Watch(Job(account="acme", id=f"V3-{number}", tracked_at=1.0)) for number in range(50)),
)
ONE = Poll(endpoint=Endpoint.SHOW, watches=MANY.watches[:1])
CONFIRMATION = Poll(endpoint=Endpoint.SHOW, watches=MANY.watches[:1], confirms=True)
OUTAGE = Reply(reason=Reason.SERVER_ERROR, status=503)
REFUSAL = Reply(reason=Reason.REFUSED, status=422)
UNKNOWN_ID = Reply(reason=Reason.NOT_FOUND, status=404)


@pytest.mark.parametrize(
    ("poll", "reply", "expected"),
    [
        (MANY, Reply(status=200), Verdict.TOLD),
        (MANY, Reply(status=200, reason=Reason.INCOMPLETE), Verdict.TOLD),
        (MANY, UNKNOWN_ID, Verdict.NOT_FOUND),
        (ONE, UNKNOWN_ID, Verdict.ABSENT),
        (CONFIRMATION, UNKNOWN_ID, Verdict.ABSENT),
        (CONFIRMATION, Reply(reason=Reason.UNREADABLE, status=404), Verdict.ABSENT),
        (ONE, Reply(reason=Reason.UNREADABLE, status=404), Verdict.FAILED),
        (MANY, Reply(reason=Reason.UNREADABLE, status=404), Verdict.FAILED),
        (MANY, REFUSAL, Verdict.REFUSED),
        (MANY, Reply(reason=Reason.REFUSED, status=400, ids_max=40), Verdict.TOO_MANY),
        (MANY, Reply(reason=Reason.REFUSED, status=400, ids_max=50), Verdict.REFUSED),
        (MANY, Reply(reason=Reason.REFUSED, status=400, ids_max=100), Verdict.REFUSED),
        *((MANY, Reply(reason=reason), Verdict.FAILED) for reason in (Reason.TIMEOUT, Reason.RESET, Reason.FORBIDDEN)),
        *(
            (MANY, Reply(reason=reason), Verdict.TURNED_AWAY)
            for reason in (Reason.DNS, Reason.CONNECT, Reason.TLS, Reason.REDIRECT)
        ),
        (MANY, Reply(reason=Reason.RATE_LIMITED, status=429), Verdict.TURNED_AWAY),
        (MANY, Reply(reason=Reason.UNAUTHORIZED, status=401), Verdict.TURNED_AWAY),
    ],
)
def test_what_a_reply_amounts_to(poll, reply, expected):
    assert verdict(poll, reply) is expected


def roster_of(count):
    roster = Roster(2.0, 300.0)
    for number in range(count):
        roster.add(Watch(Job(account="acme", id=f"V3-{number}", tracked_at=1.0)), 0.0, 1.0)
    return roster


def health(roster, reply, now=0.0, *, in_trouble=False):
    return hear(roster, roster.take(now, GAP), reply, now, in_trouble=in_trouble).health


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(status=200), Health.WELL),
        (Reply(status=200, reason=Reason.INCOMPLETE, found={"V3-1": {}}), Health.WELL),
        (Reply(status=200, reason=Reason.INCOMPLETE), Health.UNKNOWN),
        (UNKNOWN_ID, Health.WELL),
        (REFUSAL, Health.WELL),
        (Reply(reason=Reason.REFUSED, status=400, ids_max=4), Health.WELL),
        (OUTAGE, Health.IN_TROUBLE),
        (Reply(reason=Reason.UNAUTHORIZED, status=401), Health.IN_TROUBLE),
    ],
)
def test_what_it_tells_of_the_account(reply, expected):
    assert health(roster_of(10), reply) is expected


def test_a_failure_that_is_for_the_sake_of_a_job_is_no_trouble_of_the_account():
    roster = roster_of(10)
    assert health(roster, OUTAGE) is Health.IN_TROUBLE
    assert health(roster, OUTAGE, 10.0) is Health.IN_TROUBLE
    half = roster.take(20.0, GAP)
    answer = Reply(status=200, found={watch.job.id: {} for watch in half.watches})
    assert hear(roster, half, answer, 20.0, in_trouble=True).health is Health.WELL
    assert health(roster, OUTAGE, 21.0) is Health.UNKNOWN


def test_one_that_is_apart_brings_its_account_into_no_trouble_but_adds_to_what_there_is():
    """In an outage each request is one that the back-off grants, or there would be more of them."""
    roster, poll = roster_of(10), ONE
    poll.watches[0].apart = Apart(0.0)
    assert hear(roster, poll, OUTAGE, 1.0, in_trouble=False).health is Health.UNKNOWN
    assert health(roster, OUTAGE, 1.0) is Health.IN_TROUBLE
    assert hear(roster, poll, OUTAGE, 2.0, in_trouble=True).health is Health.IN_TROUBLE


def test_that_a_job_is_shown_by_itself_does_not_end_the_trouble_of_show_many():
    roster = roster_of(10)
    health(roster, OUTAGE)
    assert hear(roster, CONFIRMATION, Reply(status=200, found={"V3-0": {}}), 2.0, in_trouble=True).health is (
        Health.UNKNOWN
    )


def test_an_absence_told_by_an_account_in_trouble_proves_nothing():
    roster = roster_of(0)
    (watch,) = CONFIRMATION.watches
    watch.absent_since, watch.looked_at = 0.0, 400.0
    assert hear(roster, CONFIRMATION, UNKNOWN_ID, 400.0, in_trouble=True).gone is None
    assert hear(roster, CONFIRMATION, UNKNOWN_ID, 400.0, in_trouble=False).gone is watch


def test_it_is_zendesk_that_says_so_in_its_own_words_and_the_account_is_well():
    other_words = Reply(reason=Reason.UNREADABLE, status=404)
    for reply, expected in ((UNKNOWN_ID, Health.WELL), (other_words, Health.UNKNOWN)):
        (watch,) = CONFIRMATION.watches
        watch.apart = None
        assert hear(roster_of(0), CONFIRMATION, reply, 400.0, in_trouble=True).health is expected


def test_only_a_complete_reply_tells_that_a_job_is_not_there():
    for reason, misses in ((None, 1), (Reason.INCOMPLETE, 0)):
        roster = roster_of(2)
        poll = roster.take(0.0, GAP)
        hear(roster, poll, Reply(status=200, found={"V3-0": {}}, reason=reason), 0.0, in_trouble=False)
        assert [watch.misses for watch in poll.watches] == [0, misses]


def test_a_reply_about_nobody_that_was_asked_for_ends_no_doubt():
    roster = roster_of(2)
    health(roster, OUTAGE)
    assert health(roster, Reply(status=200, reason=Reason.INCOMPLETE), 30.0, in_trouble=True) is Health.UNKNOWN
    assert health(roster, OUTAGE, 60.0) is Health.IN_TROUBLE


def test_a_probe_of_one_job_by_itself_proves_no_absence():
    """But that Zendesk answers; whether show_many works again it has to tell by itself, in a look at this job alone."""
    roster = roster_of(1)
    health(roster, OUTAGE)
    poll = roster.take(30.0, GAP)
    assert (poll.endpoint, poll.confirms) == (Endpoint.SHOW, False)
    assert hear(roster, poll, UNKNOWN_ID, 30.0, in_trouble=True).gone is None
    assert poll.watches[0].misses == 1
    assert poll.watches[0].apart


def test_who_is_set_apart_is_told_once():
    roster = roster_of(1)
    poll = roster.take(0.0, GAP)
    assert hear(roster, poll, REFUSAL, 0.0, in_trouble=False).isolated is poll.watches[0]
    again = roster.take(10.0, GAP)
    assert hear(roster, again, REFUSAL, 10.0, in_trouble=False).isolated is None
