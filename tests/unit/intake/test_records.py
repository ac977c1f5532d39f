"""What a record says, and why it cannot be read."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core import commands
from relay.core.allowlist import AllowedHost, Allowlist
from relay.core.commands import Resume, Untrack
from relay.core.job import TrackRequest
from relay.intake.accounts import Account, Directory
from relay.intake.problems import Code
from relay.intake.records import VALUE_BYTES_MAX, read, steps, written
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
    [(_, request)], [], [] = read([message(value, key, headers)], rules)
    return request


def refused(value, key=None, rules=RULES, headers=()):
    [], [], [one] = read([message(value, key, headers)], rules)
    assert one.message.offset == 7
    return one


def command(*kinds):
    return [(commands.HEADER, kind) for kind in kinds]


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
    contents = read([message({"id": "a"}, b"acme"), message(b"junk"), message({"id": "b"}, b"acme")], RULES)
    assert [wish.request.id for wish in contents.wishes] == ["a", "b"]
    assert len(contents.unreadable) == 1


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


@given(
    st.binary(max_size=200),
    st.one_of(st.none(), st.binary(max_size=80)),
    st.lists(st.tuples(st.sampled_from([commands.HEADER, "relay.accepted", "traceparent", "x"]), st.binary())),
)
def test_no_record_whatever_is_in_it_gets_by_unread_or_raises(value, key, headers):
    assert sum(map(len, read([message(value, key, headers)], RULES))) == 1


class TestCommands:
    def test_a_header_tells_a_command_from_a_job(self):
        [], [order], [] = read([message({"sink": "orders"}, headers=command(b"resume"))], RULES)
        assert (order.command, order.account) == (Resume(sink="orders"), None)

    def test_one_about_a_job_names_its_account(self):
        [], [order], [] = read([message({"account": "acme", "id": "a"}, headers=command(b"untrack"))], RULES)
        assert (order.command, order.account) == (Untrack(account="acme", id="a"), "acme")

    @pytest.mark.parametrize("kinds", [[b"explode"], [b"resume", b"pause"], [None], [b"\xff"], [b"retry"]])
    def test_what_is_no_command_is_no_job_either(self, kinds):
        one = refused({"id": "a", "account": "acme"}, headers=command(*kinds))
        assert one.code is Code.INVALID_FIELD


class TestSteps:
    """What may be recorded at once is; what a repeat could harm is recorded with the place that follows it."""

    def test_jobs_and_those_who_stop_watching_share_commits_and_other_commands_have_their_own(self):
        kinds = [None, None, b"untrack", b"untrack", None, b"retry", b"retry", b"pause", None]
        read_together = [
            Message(0, 10 + index, None, b"", [] if kind is None else command(kind)) for index, kind in enumerate(kinds)
        ]
        found = [([one.offset for one in part], dict(reached)) for part, reached in steps(read_together, {0: 25})]
        assert found == [
            ([10, 11], {0: 12}),
            ([12, 13], {0: 14}),
            ([14], {0: 15}),
            ([15], {0: 16}),
            ([16], {0: 17}),
            ([17], {0: 18}),
            ([18], {0: 25}),
        ]

    def test_each_partition_is_passed_as_far_as_its_records_were_taken(self):
        untrack = command(b"untrack")
        messages = [Message(0, 5, None, b"", []), Message(1, 7, None, b"", untrack), Message(1, 8, None, b"", [])]
        found = [dict(reached) for _, reached in steps(messages, {0: 6, 1: 9, 2: 4})]
        assert found == [{0: 6}, {0: 6, 1: 8}, {0: 6, 1: 9, 2: 4}]

    def test_where_no_record_stands_the_place_moves_all_the_same(self):
        assert list(steps([], {0: 3})) == [([], {0: 3})]


class TestWritten:
    """What the API has accepted, and another replica takes up."""

    @given(
        metadata=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), st.integers(-9, 9)),
        traceparent=st.sampled_from([None, TRACEPARENT]),
        callback_url=st.sampled_from([None, "https://hooks.acme.com/x?y=1", "http://unheard.of:81/"]),
    )
    def test_what_was_written_is_read_again_whatever_is_configured_here(self, metadata, traceparent, callback_url):
        request = TrackRequest(
            account="stranger",
            id="V3-1",
            metadata=orjson.dumps(metadata),
            traceparent=traceparent,
            callback_url=callback_url,
        )
        value, headers = written(request)
        [wish], [], [] = read([message(value, b"stranger", headers)], RULES)
        assert (wish.request, wish.accepted, wish.account) == (request, True, "stranger")

    def test_what_others_write_is_held_against_what_is_configured(self):
        [wish], [], [] = read([message({"id": "a", "account": "acme"})], RULES)
        assert not wish.accepted
        assert refused({"id": "a", "account": "acme", "callback_url": "http://unheard.of:81/"})

    def test_no_header_makes_a_callback_of_what_is_no_url(self):
        headers = [("relay.accepted", b"1")]
        one = refused({"id": "a", "account": "acme", "callback_url": "ftp://x"}, headers=headers)
        assert one.code is Code.CALLBACK_NOT_ALLOWED


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
