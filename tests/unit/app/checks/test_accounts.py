import pytest

from relay.app.checks import Verdict
from relay.app.checks.accounts import ADVICE, NO_SIMULATOR, NOT_ZENDESK, REQUEST, judge
from relay.core.zendesk import NoResponse, RateHeaders, Reply, Response, decipher
from relay.errors import Reason


def judged(reply, *, local=False):
    return judge("acme", reply, seconds=0.125, local=local, hidden="s3cr3t-token")


def answered(status, body, **headers):
    return judged(decipher(REQUEST, Response(status=status, headers=headers, body=body), 0.0))


def test_an_account_that_answers_is_good_and_its_limit_told():
    reply = Reply(rate=RateHeaders(limit=2_500, remaining=2_499))
    finding = judged(reply)
    assert finding.verdict is Verdict.OK
    assert finding.detail == "answered in 0.12 s; limit 2,500 requests a minute, 2,499 left"


def test_that_zendesk_does_not_know_the_made_up_job_is_as_good():
    assert answered(200, b'{"job_statuses":[]}').verdict is Verdict.OK
    assert answered(404, b'{"error":"RecordNotFound"}').verdict is Verdict.OK


@pytest.mark.parametrize(
    ("reason", "verdict", "advice"),
    [
        (Reason.UNAUTHORIZED, Verdict.FAILED, ADVICE[Reason.UNAUTHORIZED]),
        (Reason.DNS, Verdict.FAILED, ADVICE[Reason.DNS]),
        (Reason.UNREADABLE, Verdict.FAILED, NOT_ZENDESK),
        (Reason.RATE_LIMITED, Verdict.WARNING, ADVICE[Reason.RATE_LIMITED]),
    ],
)
def test_every_trouble_is_told_with_what_to_do(reason, verdict, advice):
    finding = judged(Reply(reason=reason, detail="they say no"))
    assert (finding.verdict, finding.detail, finding.advice) == (verdict, f"{reason}: they say no", advice)


def test_a_dead_subdomain_is_not_zendesk():
    assert answered(404, b"No help desk at this address").advice == NOT_ZENDESK


def test_on_this_machine_the_stand_in_is_missing():
    dead = decipher(REQUEST, NoResponse(reason=Reason.CONNECT, detail="refused"), 0.0)
    assert judged(dead, local=True).advice == NO_SIMULATOR
    assert judged(dead).advice == ADVICE[Reason.CONNECT]


def test_a_token_that_is_echoed_is_not_shown():
    assert "s3cr3t" not in answered(401, b"no such token: s3cr3t-token").detail
