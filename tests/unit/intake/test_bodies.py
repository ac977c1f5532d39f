import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.allowlist import AllowedHost, Allowlist
from relay.core.callbacks import CallbacksFull
from relay.core.job import TrackRequest
from relay.intake.bodies import (
    ITEM,
    JOBS_MAX,
    METADATA_BYTES_MAX,
    REPLY,
    parse,
    parse_one,
    submitted,
    too_many_callbacks,
)
from relay.intake.problems import Code, Problem, Refused

ZENDESKS_REPLY = {
    "job_status": {
        "id": "V3-8b726e606741012ffc2d782bcb7848fe",
        "job_type": "Bulk Update Ticket",
        "url": "https://acme.zendesk.com/api/v2/job_statuses/V3-8b726e606741012ffc2d782bcb7848fe.json",
        "total": 2,
        "progress": None,
        "status": "queued",
        "message": None,
        "results": None,
    }
}
CALLBACKS = Allowlist([AllowedHost(pattern="*.acme.com")])


def resolve(account, url):
    if account == "nope":
        raise Refused(Code.UNKNOWN_ACCOUNT, "/account", "no such account")
    return account or ("acme" if url else "default")


def parsed(body, **options):
    return parse(orjson.dumps(body), resolve=resolve, callbacks=CALLBACKS, **options)


def refused(body):
    with pytest.raises(Problem) as caught:
        parsed(body)
    assert caught.value.status == 422
    return caught.value


def faults(body):
    return [(fault.index, fault.pointer, fault.code.value) for fault in refused(body).faults]


def test_one_job_by_its_id():
    assert parsed({"id": "abc"}) == [TrackRequest(account="default", id="abc")]


def test_zendesks_own_reply_as_it_is():
    request = TrackRequest(account="acme", id="V3-8b726e606741012ffc2d782bcb7848fe")
    assert parsed(ZENDESKS_REPLY) == [request]
    assert parsed({**ZENDESKS_REPLY, "ticket": {"id": 1}, "audit": None}) == [request]


def test_several_jobs_in_mixed_forms_keep_their_order():
    body = {"jobs": [{"id": "b", "account": "globex"}, ZENDESKS_REPLY, {"id": "a", "metadata": {"k": [1, None]}}]}
    assert parsed(body) == [
        TrackRequest(account="globex", id="b"),
        TrackRequest(account="acme", id=ZENDESKS_REPLY["job_status"]["id"]),
        TrackRequest(account="default", id="a", metadata=b'{"k":[1,null]}'),
    ]


def test_account_and_metadata_may_stand_beside_zendesks_reply():
    (request,) = parsed({**ZENDESKS_REPLY, "account": "globex", "metadata": {"order": 7}})
    assert (request.account, request.metadata) == ("globex", b'{"order":7}')


def test_the_same_job_twice_is_handed_on_twice():
    assert len(parsed({"jobs": [{"id": "a"}, {"id": "a"}]})) == 2


def test_null_is_the_same_as_leaving_out():
    body = {"id": "a", "account": None, "metadata": None, "callback_url": None}
    assert parsed(body) == parsed({"id": "a"}) == parsed({"job_status": {"id": "a", "url": None}})


def test_the_trace_context_is_given_to_every_job():
    requests = parsed({"jobs": [{"id": "a"}, {"id": "b"}]}, traceparent="00-1-2-01")
    assert [request.traceparent for request in requests] == ["00-1-2-01"] * 2


@pytest.mark.parametrize("id_", ["a", "A-Z_09", "x" * 128])
def test_an_id_may_be_up_to_128_of_its_letters(id_):
    assert parsed({"id": id_})[0].id == id_


@pytest.mark.parametrize("id_", ["", "x" * 129, "a b", "a\n", "ä", "a/b", "a.b", 7, None, ["a"], "٣"])
def test_any_other_id_is_refused_in_every_form(id_):
    assert faults({"id": id_}) == [(0, "/id", "invalid_field")]
    assert faults({"job_status": {"id": id_}}) == [(0, "/job_status/id", "invalid_field")]
    assert faults({"jobs": [{"id": "a"}, {"id": id_}]}) == [(1, "/jobs/1/id", "invalid_field")]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ("abc", ""),
        (None, ""),
        ({}, "/id"),
        ({"jobs": {}}, "/jobs"),
        ({"jobs": []}, "/jobs"),
        ({"jobs": None}, "/jobs"),
        ({"jobs": ["abc"]}, "/jobs/0"),
        ({"jobs": [{"id": "a"}], "account": "acme"}, "/account"),
        ({"jobs": [{"jobs": [{"id": "a"}]}]}, "/jobs/0/id"),
        ({"job_status": "abc"}, "/job_status"),
        ({"job_status": {}}, "/job_status/id"),
        ({"job_status": {"id": "a", "url": 7}}, "/job_status/url"),
        ({"job_status": {"id": "a", "url": "x" * 2049}}, "/job_status/url"),
        ({"id": "a", "account": 7}, "/account"),
        ({"id": "a", "callback_url": 7}, "/callback_url"),
        ({"id": "a", "callback_url": f"https://a.acme.com/{'x' * 2048}"}, "/callback_url"),
        ({"id": "a", "metadata": []}, "/metadata"),
        ({"id": "a", "metadata": "text"}, "/metadata"),
        ({"id": "a", "metadata": {str(n): n for n in range(51)}}, "/metadata"),
        ({"id": "a", "metadata": {"k": "x" * METADATA_BYTES_MAX}}, "/metadata"),
        ({"id": "a", "a/b~c": 1}, "/a~1b~0c"),
        ({"id": "a", "x" * 65: 1}, ""),
    ],
)
def test_a_fault_is_shown_where_it_is(body, pointer):
    assert refused(body).faults[0].pointer == pointer
    assert refused(body).code is Code.INVALID_FIELD


def test_metadata_may_be_as_large_as_stated():
    fits = {"k": "x" * (METADATA_BYTES_MAX - len(b'{"k":""}'))}
    assert len(parsed({"id": "a", "metadata": fits})[0].metadata) == METADATA_BYTES_MAX
    assert len(orjson.loads(parsed({"id": "a", "metadata": {f"{n:0128}": n for n in range(50)}})[0].metadata)) == 50


def test_an_unknown_key_is_refused_with_the_one_that_was_meant():
    assert "did you mean account?" in refused({"id": "a", "acount": "acme"}).detail
    assert "allowed: account, metadata, callback_url, id, job_status" in refused({"id": "a", "zzz": 1}).detail


def test_a_callback_whose_host_is_allowed_is_taken_as_it_is_written():
    (request,) = parsed({**ZENDESKS_REPLY, "callback_url": "https://Hooks.acme.com?job=%201"})
    assert request.callback_url == "https://Hooks.acme.com?job=%201"


def test_a_callback_that_is_not_allowed_is_told_with_what_is():
    problem = refused({"jobs": [{"id": "a"}, {"id": "a", "callback_url": "https://evil.com/?token=hush"}]})
    assert problem.code is Code.CALLBACK_NOT_ALLOWED
    assert [fault.pointer for fault in problem.faults] == ["/jobs/1/callback_url"]
    assert problem.detail == "callback_url: callbacks to the host evil.com are not allowed; allowed are: *.acme.com"


@pytest.mark.parametrize("form", ["one", "many"])
def test_a_callback_beyond_what_a_job_may_have_is_told_at_its_place(form):
    item = {"id": "a", "callback_url": "https://hooks.acme.com/17"}
    body, pointer = (item, "") if form == "one" else ({"jobs": [item]}, "/jobs/0")
    problem = too_many_callbacks(orjson.dumps(body), CallbacksFull([0]))
    assert (problem.status, problem.code) == (422, Code.CALLBACK_NOT_ALLOWED)
    assert [(fault.index, fault.pointer) for fault in problem.faults] == [(0, f"{pointer}/callback_url")]
    assert "at most 16 callbacks" in problem.detail


def test_every_bad_item_is_listed_whatever_is_wrong_with_it():
    body = {"jobs": [{"id": "a"}, {"id": "?"}, {"id": "b", "account": "nope"}, 7, {"id": "c", "metadata": 1}]}
    assert faults(body) == [
        (1, "/jobs/1/id", "invalid_field"),
        (2, "/jobs/2/account", "unknown_account"),
        (3, "/jobs/3", "invalid_field"),
        (4, "/jobs/4/metadata", "invalid_field"),
    ]


def test_a_thousand_jobs_are_taken_and_not_one_more():
    items = [{"id": str(n)} for n in range(JOBS_MAX)]
    assert len(parsed({"jobs": items})) == JOBS_MAX
    problem = refused({"jobs": [*items, {"id": "?"}]})
    assert problem.code is Code.TOO_MANY_JOBS
    assert [(fault.index, fault.pointer) for fault in problem.faults] == [(None, "/jobs")]


def test_the_answer_to_a_flood_of_faults_is_bounded():
    flood = {"jobs": [{f"{n}-{'k' * 60}": 1 for n in range(999)} for _ in range(10)]}
    assert len(refused(flood).document()) < 20_000
    assert "1000 faults in one object" in refused(flood).faults[0].detail
    flood = {"jobs": [{"metadata": 1, "account": 1, "a": 1, "b": 1, "c": 1} for _ in range(JOBS_MAX)]}
    assert len(refused(flood).document()) < 1024 * 1024


KEYS = st.sampled_from(["id", "jobs", "job_status", "account", "metadata", "callback_url", "url"]) | st.text(
    alphabet=st.characters(codec="utf-8"), max_size=3
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)


def understood(raw):
    """The requests, or the problem as it is rendered."""
    try:
        return parse(raw, resolve=resolve, callbacks=CALLBACKS), None
    except Problem as problem:
        return [], orjson.loads(problem.document())


@given(st.binary() | JSON.map(orjson.dumps) | st.dictionaries(KEYS, JSON).map(orjson.dumps))
def test_any_bytes_are_requests_or_a_problem_that_can_be_rendered(raw):
    requests, problem = understood(raw)
    assert bool(requests) is not bool(problem)
    assert problem is None or problem["status"] in {400, 422}
    assert all(isinstance(orjson.loads(request.metadata), dict) for request in requests)


@given(st.binary(max_size=50) | st.sampled_from([b'{"id": "a"}', b'{"id": 1}', b'{"id": "a", "account": "nope"}']))
def test_one_item_is_taken_or_refused_as_a_body_of_one_is(raw):
    requests, problem = understood(raw)
    try:
        one, code = [parse_one(raw, resolve=resolve, callbacks=CALLBACKS)], None
    except Problem as refusal:
        one, code = [], refusal.code
    assert (one, code) == (requests, problem and problem["code"])


def test_several_items_are_not_one():
    with pytest.raises(Problem) as caught:
        parse_one(b'{"jobs": [{"id": "a"}]}', resolve=resolve, callbacks=CALLBACKS)
    assert "jobs: not known here" in [fault.detail.split(";")[0] for fault in caught.value.faults]


def test_the_answer_names_each_job_in_order_and_where_to_find_it():
    requests = [TrackRequest(account="acme", id="a"), TrackRequest(account="a b/c", id="b")]
    assert orjson.loads(submitted(requests, [True, False])) == {
        "jobs": [
            {"account": "acme", "id": "a", "result": "created", "href": "/v1/jobs/acme/a"},
            {"account": "a b/c", "id": "b", "result": "exists", "href": "/v1/jobs/a%20b%2Fc/b"},
        ]
    }


def test_the_models_that_check_are_those_that_are_described():
    assert ITEM.json_schema()["additionalProperties"] is False
    assert "additionalProperties" not in REPLY.json_schema()
