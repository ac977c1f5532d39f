"""What a record says, and why it cannot be read."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.allowlist import AllowedHost, Allowlist
from relay.intake.accounts import Account, Directory
from relay.intake.problems import Code
from relay.intake.records import VALUE_BYTES_MAX, read
from relay.kafka.reader import Message

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Rules:
    def __init__(self, *names, callbacks=()):
        self.directory = Directory(Account(name=name, base_url=f"https://{name}.zendesk.com") for name in names)
        self.callbacks = Allowlist([AllowedHost(pattern=host) for host in callbacks])


RULES = Rules("acme", "globex", callbacks=["*.acme.com"])


def message(value, key=None, headers=()):
    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    return Message(0, 7, key, raw, headers)


def wanted(value, key=None, headers=(), rules=RULES):
    [(_, request)], unreadable = read([message(value, key, headers)], rules)
    assert unreadable == []
    return request


def refused(value, key=None, rules=RULES):
    requests, [one] = read([message(value, key)], rules)
    assert requests == []
    assert one.message.offset == 7
    return one


def test_an_item_is_read_as_the_api_reads_it():
    request = wanted(
        {"id": "V3-1", "account": "acme", "metadata": {"a": 1}, "callback_url": "https://hooks.acme.com/x"}
    )
    assert (request.account, request.id, request.metadata) == ("acme", "V3-1", b'{"a":1}')
    assert request.callback_url == "https://hooks.acme.com/x"


def test_zendesks_own_reply_is_read_as_it_is():
    reply = {"job_status": {"id": "V3-1", "url": "https://globex.zendesk.com/api/v2/job_statuses/V3-1", "total": 3}}
    assert wanted(reply, key=b"acme").account == "globex", "the url goes before the key"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, Code.INVALID_JSON),
        (b"", Code.INVALID_JSON),
        (b"\xff", Code.INVALID_JSON),
        (b'{"id":"a","id":"b"}', Code.INVALID_JSON),
        (b"null", Code.INVALID_FIELD),
        ({"id": "a b"}, Code.INVALID_FIELD),
        ({"jobs": [{"id": "a"}]}, Code.INVALID_FIELD),
        ({"id": "a", "account": "No Name"}, Code.INVALID_FIELD),
        ({"id": "a", "callback_url": "https://elsewhere.com/"}, Code.CALLBACK_NOT_ALLOWED),
        ({"id": "a"}, Code.ACCOUNT_REQUIRED),
        (b" " * (VALUE_BYTES_MAX + 1), Code.BODY_TOO_LARGE),
    ],
)
def test_what_cannot_be_read_says_why(value, code):
    one = refused(value)
    assert (one.code, bool(one.detail)) == (code, True)


def test_everything_that_is_wrong_is_told():
    detail = refused({"jobs": [], "acount": "acme"}).detail
    assert all(part in detail for part in ("id: required", "jobs: not known here", "acount: not known here"))


def test_one_that_cannot_be_read_is_no_harm_to_others():
    requests, unreadable = read([message({"id": "a"}, b"acme"), message(b"junk"), message({"id": "b"}, b"acme")], RULES)
    assert [request.id for _, request in requests] == ["a", "b"]
    assert len(unreadable) == 1


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([("traceparent", TRACEPARENT.encode())], TRACEPARENT),
        ([("traceparent", TRACEPARENT.encode())] * 2, None),
        ([("traceparent", None)], None),
        ([("traceparent", b"\xff")], None),
        ([("other", TRACEPARENT.encode())], None),
    ],
)
def test_the_trace_is_taken_over_where_it_is_clear(headers, found):
    assert wanted({"id": "a"}, b"acme", headers).traceparent == found


@given(st.binary(max_size=200), st.one_of(st.none(), st.binary(max_size=80)))
def test_no_record_whatever_is_in_it_gets_by_unread_or_raises(value, key):
    requests, unreadable = read([message(value, key)], RULES)
    assert len(requests) + len(unreadable) == 1


class TestAccounts:
    """It is named, or the url's host tells it, or the record's key does, or there is only one."""

    def test_a_name_that_is_not_configured_is_one_all_the_same(self):
        assert wanted({"id": "a", "account": "stranger"}).account == "stranger"
        assert wanted({"id": "a"}, key=b"stranger").account == "stranger"

    def test_a_name_goes_before_everything(self):
        reply = {"job_status": {"id": "a", "url": "https://globex.zendesk.com/x"}, "account": "acme"}
        assert wanted(reply, key=b"other").account == "acme"

    def test_a_url_that_nobody_knows_leaves_it_to_the_key(self):
        reply = {"job_status": {"id": "a", "url": "https://unknown.zendesk.com/x"}}
        assert wanted(reply, key=b"acme").account == "acme"

    def test_a_key_that_is_no_name_leaves_it_to_the_only_one(self):
        assert wanted({"id": "a"}, key=b"V3-ABC", rules=Rules("acme")).account == "acme"
        assert refused({"id": "a"}, key=b"V3-ABC").code is Code.ACCOUNT_REQUIRED

    def test_of_several_with_one_host_the_key_chooses(self):
        rules = Rules()
        rules.directory = Directory(Account(name=name, base_url="http://127.0.0.1:8090") for name in ("one", "two"))
        reply = {"job_status": {"id": "a", "url": "http://127.0.0.1:8090/x"}}
        assert wanted(reply, key=b"two", rules=rules).account == "two"
        assert refused(reply, key=b"three", rules=rules).code is Code.ACCOUNT_REQUIRED
