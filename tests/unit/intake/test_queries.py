import base64

import pytest

from relay.core.delivery import DeliveryKey
from relay.core.events import TERMINAL_TYPES
from relay.core.job import Cursor, EventType
from relay.intake.opaque import write_deliveries_cursor, write_jobs_cursor, write_place
from relay.intake.problems import Code, Problem
from relay.intake.queries import DeliveryQuery, EventQuery, ListQuery, ReadQuery, read

CURSOR = Cursor(tracked_at=1_700_000_000.125, account="acme", id="V3-1")


def refused(model, *pairs):
    with pytest.raises(Problem) as caught:
        read(model, pairs)
    assert (caught.value.status, caught.value.code) == (422, Code.INVALID_FIELD)
    assert [(fault.index, fault.pointer) for fault in caught.value.faults] == [(None, None)]
    return caught.value.detail


@pytest.mark.parametrize(
    "text",
    ["x", "ä", "!!!!", write_jobs_cursor(CURSOR)[:-2], *(base64.b64encode(raw).decode() for raw in (b"{}", b"[1]"))],
)
def test_a_garbled_cursor_is_refused(text):
    assert "cursor" in refused(ListQuery, ("cursor", text))


def test_a_list_without_a_query_is_the_first_hundred_of_everything():
    assert read(ListQuery, []) == ListQuery(account=None, state=None, limit=100, cursor=None)


def test_a_list_with_all_its_parameters():
    pairs = [("account", "acme"), ("state", "working"), ("limit", "1000"), ("cursor", write_jobs_cursor(CURSOR))]
    query = read(ListQuery, pairs)
    assert (query.account, query.state, query.limit, query.cursor) == ("acme", "working", 1000, CURSOR)


def test_an_empty_value_is_the_same_as_leaving_it_out():
    assert read(ListQuery, [("account", ""), ("state", ""), ("limit", ""), ("cursor", "")]) == read(ListQuery, [])
    assert read(ReadQuery, [("wait", "")]).wait == 0


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "1.5", "ten", "1e2"])
def test_a_limit_beside_its_range_is_refused(limit):
    assert refused(ListQuery, ("limit", limit)).startswith("limit: ")


@pytest.mark.parametrize("wait", ["0", "60", "2.5"])
def test_a_wait_may_be_up_to_a_minute(wait):
    assert read(ReadQuery, [("wait", wait)]).wait == float(wait)


@pytest.mark.parametrize("wait", ["-1", "60.1", "nan", "inf", "forever", "30s"])
def test_any_other_wait_is_refused(wait):
    assert refused(ReadQuery, ("wait", wait)).startswith("wait: ")


def test_an_unknown_or_repeated_parameter_is_refused():
    assert "did you mean limit?" in refused(ListQuery, ("limt", "5"))
    assert refused(ListQuery, ("account", "a"), ("account", "b")) == "account: given twice"


def test_events_without_a_query_are_the_first_hundred_of_all_that_is_kept():
    assert read(EventQuery, []) == EventQuery(account=None, job=None, type=None, since=None, limit=100, cursor=None)


def test_events_with_all_parameters():
    pairs = [
        ("account", "acme"),
        ("job", "V3-1"),
        ("type", "started, zendesk.job.lost"),
        ("since", "2023-11-14T22:13:20Z"),
        ("cursor", write_place((7,))),
    ]
    query = read(EventQuery, pairs)
    assert (query.account, query.job, query.since, query.cursor) == ("acme", "V3-1", 1_700_000_000.0, (7,))
    assert query.type == {EventType.STARTED, EventType.LOST}


@pytest.mark.parametrize(("text", "types"), [("terminal", TERMINAL_TYPES), ("*", set(EventType))])
def test_types_go_by_the_names_that_sinks_know(text, types):
    assert read(EventQuery, [("type", text)]).type == types


@pytest.mark.parametrize("text", ["done", "completed,", ",", "completed failed"])
def test_a_type_that_is_none_is_told_which_there_are(text):
    assert "terminal, * or of started, " in refused(EventQuery, ("type", text))


@pytest.mark.parametrize("text", ["now", "2026-02-03", "-1"])
def test_a_time_that_is_none_is_told_how_to_write_one(text):
    assert "2026-02-03T04:05:06Z" in refused(EventQuery, ("since", text))


def test_a_cursor_of_another_list_is_refused():
    assert "cursor" in refused(EventQuery, ("cursor", write_jobs_cursor(CURSOR)))
    assert "cursor" in refused(ListQuery, ("cursor", write_place((7,))))


def test_deliveries_are_the_dead_ones_unless_the_pending_are_asked_for():
    assert read(DeliveryQuery, []).state == "dead"
    key = DeliveryKey(1.5, "acme", "V3-1", "orders")
    query = read(DeliveryQuery, [("state", "pending"), ("sink", "orders"), ("cursor", write_deliveries_cursor(key))])
    assert (query.state, query.sink, query.cursor) == ("pending", "orders", key)
    assert refused(DeliveryQuery, ("state", "delivered")) == "state: input should be 'pending' or 'dead'"
