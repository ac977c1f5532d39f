import pytest
from aiohttp.test_utils import make_mocked_request

from relay.intake.access import Access
from relay.intake.accounts import Account, Directory
from relay.intake.keys import ApiKey, Caller, Keyring, Scope
from relay.intake.problems import Problem

ACCOUNTS = [Account(name=name, base_url=f"https://{name}.zendesk.com") for name in ("acme", "acorp", "globex")]
ALL = Caller(name="all", scopes=frozenset(Scope))
SOME = Caller(name="some", scopes=frozenset({Scope.READ}), accounts=("ac*",))
KEYS = [ApiKey.of(f"{caller.name}-key", caller) for caller in (ALL, SOME)]


@pytest.fixture
def access():
    return Access(keyring=Keyring(KEYS), directory=Directory(ACCOUNTS))


def request_of(name):
    return make_mocked_request("GET", "/v1/events", headers={"Authorization": f"Bearer {name}-key"})


def test_one_of_the_scopes_is_enough(access):
    assert access.caller(request_of("some"), Scope.ADMIN, Scope.READ) == SOME
    with pytest.raises(Problem) as caught:
        access.caller(request_of("some"), Scope.ADMIN, Scope.SUBMIT)
    assert caught.value.status == 403
    assert "admin or submit" in caught.value.detail


def test_who_sees_all_looks_at_all_also_at_what_is_not_configured_any_more(access):
    assert access.accounts(ALL, None) is None
    assert access.accounts(ALL, "gone") == ["gone"]


def test_who_sees_some_looks_at_those_that_are_configured(access):
    assert access.accounts(SOME, None) == ("acme", "acorp")
    assert access.accounts(SOME, "acorp") == ["acorp"]


def test_another_account_does_not_exist(access):
    with pytest.raises(Problem) as caught:
        access.accounts(SOME, "globex")
    assert caught.value.status == 404


def test_its_parts_may_be_replaced(access):
    access.keyring, access.directory = Keyring(KEYS[1:]), Directory(ACCOUNTS[:1])
    assert access.accounts(SOME, None) == ("acme",)
    with pytest.raises(Problem) as caught:
        access.caller(request_of("all"), Scope.READ)
    assert caught.value.status == 401
