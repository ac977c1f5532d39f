from random import Random
from urllib.parse import urlencode

import orjson
import pytest

from relay.simulator.oauth import Grants, OAuth, Standing

RULES = OAuth()
CLIENT = {"client_id": "relay", "client_secret": "s3cret"}


@pytest.fixture
def grants():
    return Grants(Random(1))


def ask(grants, now=0.0, rules=RULES, *, form=False, **asked):
    asked = CLIENT | asked
    body = urlencode(asked).encode() if form else orjson.dumps(asked)
    answer = grants.answer(body, now, rules)
    return answer.status, orjson.loads(answer.body)


def refresh(grants, token, now=0.0, rules=RULES):
    return ask(grants, now, rules, grant_type="refresh_token", refresh_token=token)


@pytest.mark.parametrize("form", [False, True])
def test_client_credentials_give_a_bearer_token_for_half_an_hour_and_no_refresh_token(grants, form):
    status, issued = ask(grants, form=form, grant_type="client_credentials", scope="read")
    token = issued.pop("access_token")
    assert (status, issued) == (200, {"token_type": "bearer", "scope": "read", "expires_in": 1_800})
    assert grants.standing(token, 1_799.9) is Standing.ALIVE
    assert grants.standing(token, 1_800.0) is Standing.DEAD


def test_a_life_may_be_asked_for_between_five_minutes_and_two_days(grants):
    for seconds in (300, 172_800):
        assert ask(grants, grant_type="client_credentials", expires_in=seconds)[1]["expires_in"] == seconds
    for seconds in (299, 172_801, -1, "soon", 1.5):
        status, refused = ask(grants, grant_type="client_credentials", expires_in=seconds)
        assert (status, refused["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_a_client_must_name_itself(grants, missing):
    status, refused = ask(grants, grant_type="client_credentials", **{missing: ""})
    assert (status, refused["error"]) == (401, "invalid_client")


def test_only_named_clients_are_known_where_some_are_named():
    assert ask(Grants(Random(1), {"relay": "s3cret"}), grant_type="client_credentials")[0] == 200
    assert ask(Grants(Random(1), {"relay": "other"}), grant_type="client_credentials")[0] == 401
    assert ask(Grants(Random(1), {"other": "s3cret"}), grant_type="client_credentials")[0] == 401


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "everything"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": " "}, "invalid_scope"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
    ],
)
def test_what_makes_no_sense_is_refused(grants, asked, error):
    status, refused = ask(grants, **asked)
    assert (status, refused["error"]) == (400, error)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[1]"])
def test_a_body_that_says_nothing_names_no_client(grants, body):
    assert grants.answer(body, 0.0, RULES).status == 401


def test_a_token_of_another_scope_may_not_read(grants):
    _, issued = ask(grants, grant_type="client_credentials", scope="tickets:read write")
    assert grants.standing(issued["access_token"], 0.0) is Standing.SCOPELESS


def test_each_refresh_kills_the_old_pair(grants):
    first = grants.first_pair(0.0, RULES)
    status, second = refresh(grants, first["refresh_token"], 10.0)
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert grants.standing(first["access_token"], 10.0) is Standing.DEAD
    assert grants.standing(second["access_token"], 10.0) is Standing.ALIVE
    status, refused = refresh(grants, first["refresh_token"], 11.0)
    assert (status, refused["error"]) == (400, "invalid_grant")
    assert refresh(grants, second["refresh_token"], 12.0)[0] == 200


def test_a_refresh_token_from_elsewhere_is_believed_once_unless_only_issued_ones_count(grants):
    assert refresh(grants, "demo")[0] == 200
    assert refresh(grants, "demo")[0] == 400
    assert refresh(grants, "other", rules=OAuth(issued_only=True))[0] == 400


def test_a_revoked_client_gets_nothing_and_its_tokens_are_dead_until_it_is_restored(grants):
    pair = grants.first_pair(0.0, RULES)
    grants.revoked = True
    assert grants.standing(pair["access_token"], 1.0) is Standing.DEAD
    assert refresh(grants, pair["refresh_token"], 1.0)[1]["error"] == "invalid_client"
    grants.revoked = False
    assert grants.standing(pair["access_token"], 2.0) is Standing.ALIVE
    assert refresh(grants, pair["refresh_token"], 2.0)[0] == 200


def test_all_access_tokens_can_be_expired_at_once(grants):
    pair = grants.first_pair(0.0, RULES)
    grants.expire()
    assert grants.standing(pair["access_token"], 1.0) is Standing.DEAD
    assert refresh(grants, pair["refresh_token"], 1.0)[0] == 200


def test_tokens_may_die_long_before_their_time(grants):
    rules = OAuth(dies_after=(20.0, 90.0))
    _, issued = ask(grants, rules=rules, grant_type="client_credentials")
    assert issued["expires_in"] == 1_800
    assert grants.standing(issued["access_token"], 19.9) is Standing.ALIVE
    assert grants.standing(issued["access_token"], 90.0) is Standing.DEAD


def test_a_token_that_was_never_issued_is_unknown(grants):
    assert grants.standing("demo", 0.0) is Standing.UNKNOWN


def test_tokens_do_not_pile_up_for_ever(grants, monkeypatch):
    monkeypatch.setattr("relay.simulator.oauth.TOKENS_KEPT", 3)
    tokens = [ask(grants, grant_type="client_credentials")[1]["access_token"] for _ in range(5)]
    standings = [grants.standing(token, 0.0) for token in tokens]
    assert standings == [Standing.UNKNOWN] * 2 + [Standing.ALIVE] * 3


def test_an_answer_may_break_off_after_the_pair_was_made(grants):
    """The one loss that no client can make up for."""
    rules = OAuth(lost_rotation=2)
    first = grants.first_pair(0.0, rules)
    second = refresh(grants, first["refresh_token"], rules=rules)[1]
    asked = orjson.dumps(CLIENT | {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]})
    answer = grants.answer(asked, 1.0, rules)
    assert answer.cut_after is not None
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.body[: answer.cut_after])
    assert grants.standing(second["access_token"], 1.0) is Standing.DEAD
    assert refresh(grants, second["refresh_token"], rules=rules)[0] == 400
    again = grants.first_pair(2.0, rules)
    assert refresh(grants, again["refresh_token"], rules=rules)[0] == 200
