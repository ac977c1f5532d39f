import hmac
from contextlib import suppress

import pytest

from relay.intake import keys
from relay.intake.keys import ANYONE, ApiKey, Caller, Keyring, Scope
from relay.intake.problems import Code, Problem

ORDERS = Caller(name="orders", scopes=frozenset({Scope.SUBMIT, Scope.READ}), accounts=("acme-*", "globex"))
ADMIN = Caller(name="admin", scopes=frozenset({Scope.ADMIN}))
KEYRING = Keyring([ApiKey.of("orders-key", ORDERS), ApiKey.of("admin-key", ADMIN)])


def refused(authorization):
    with pytest.raises(Problem) as caught:
        KEYRING.identify(authorization)
    return caught.value


@pytest.mark.parametrize("header", ["Bearer orders-key", "bearer orders-key", "BEARER  orders-key "])
def test_a_key_is_known_by_its_bearer_header(header):
    assert KEYRING.identify(header) is ORDERS


@pytest.mark.parametrize(
    "header", [None, "", "orders-key", "Basic b3JkZXJzLWtleQ==", "Bearer", "Bearer ", "Bearer nope"]
)
def test_anything_else_is_unauthorized_and_told_how_to_authenticate(header):
    problem = refused(header)
    assert (problem.status, problem.code) == (401, Code.UNAUTHORIZED)
    assert problem.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_header_that_is_not_utf_8_is_unauthorized():
    assert refused("Bearer \udcff").status == 401


def test_without_keys_anyone_may_do_anything():
    caller = Keyring().identify(None)
    assert caller is ANYONE
    assert caller.scopes == frozenset(Scope)
    assert caller.sees("any account")


@pytest.mark.parametrize("key", ["orders-key", "admin-key", "nope"])
def test_every_key_is_compared_whichever_fits(key, monkeypatch):
    """The time an answer takes must not tell which key was close."""
    compared = []
    monkeypatch.setattr(
        keys.hmac, "compare_digest", lambda a, b, real=hmac.compare_digest: compared.append(a) or real(a, b)
    )
    with suppress(Problem):
        KEYRING.identify(f"Bearer {key}")
    assert len(compared) == 2


def test_a_key_does_not_show_itself():
    key = ApiKey.of("orders-key", ORDERS)
    assert "orders-key" not in repr(key)
    assert key.digest.hex() not in repr(key)
    assert str(key.digest) not in repr(key)


@pytest.mark.parametrize(
    ("account", "seen"), [("acme-eu", True), ("globex", True), ("globex2", False), ("ACME-eu", False), ("", False)]
)
def test_a_caller_sees_the_accounts_that_fit_a_pattern(account, seen):
    assert ORDERS.sees(account) is seen


def test_no_scope_implies_another():
    for scope in (Scope.SUBMIT, Scope.READ):
        with pytest.raises(Problem) as caught:
            ADMIN.require(scope)
        assert (caught.value.status, caught.value.code) == (403, Code.FORBIDDEN)
        assert scope in caught.value.detail
        assert f'scope="{scope}"' in caught.value.headers["WWW-Authenticate"]
    ADMIN.require(Scope.ADMIN)
