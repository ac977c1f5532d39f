from random import Random

import orjson
import pytest

from relay.simulator.denials import DeadSubdomain, Denied, Forbidden, RevokedClient, Unauthorized
from relay.simulator.faults import Moment, Window

ALWAYS = Window(after_seconds=0.0, for_seconds=1.0)


def struck(fault, *, token=False, age_seconds=0.0):
    moment = Moment(random=Random(1), now=0.0, age_seconds=age_seconds, token=token)
    return fault.strike(None, moment)


@pytest.mark.parametrize(
    "fault",
    [
        Unauthorized(window=ALWAYS),
        RevokedClient(window=ALWAYS),
        Denied(window=ALWAYS, text=Forbidden.SCOPE),
        DeadSubdomain(window=ALWAYS),
    ],
)
def test_a_denial_lasts_for_its_window(fault):
    assert struck(fault) is not None
    assert struck(fault, age_seconds=1.0) is None


def test_a_revoked_token_is_a_401():
    reply = struck(Unauthorized(window=ALWAYS))
    assert (reply.status, orjson.loads(reply.body)) == (401, {"error": "Couldn't authenticate you"})


def test_both_texts_of_a_403_are_known():
    scope = struck(Denied(window=ALWAYS, text=Forbidden.SCOPE))
    page = struck(Denied(window=ALWAYS, text=Forbidden.PAGE))
    assert (scope.status, page.status) == (403, 403)
    assert "missing the following required scopes" in orjson.loads(scope.body)["description"]
    assert orjson.loads(page.body)["error"]["message"].startswith("You do not have access to this page")


def test_a_revoked_client_has_dead_tokens_and_gets_no_new_ones():
    assert orjson.loads(struck(RevokedClient(window=ALWAYS)).body)["error"] == "invalid_token"
    refused = struck(RevokedClient(window=ALWAYS), token=True)
    assert (refused.status, orjson.loads(refused.body)["error"]) == (401, "invalid_client")


def test_a_dead_subdomain_answers_404_as_text():
    reply = struck(DeadSubdomain(window=ALWAYS))
    assert (reply.status, reply.content_type.partition(";")[0]) == (404, "text/plain")
