import re

from hypothesis import given
from hypothesis import strategies as st
from unit.simulator.plans import API, STARTED, plan_of, plans, plans_of

from relay.simulator.forms import Listed
from relay.simulator.plan import Fate
from relay.simulator.status import status_at

ENDED = {"completed", "failed", "killed"}


@given(plans, st.floats(0, 2_000))
def test_nulls_follow_the_state(plan, offset):
    """Queued: no progress, no message. Results only when ended. An object as results: no numbers at all."""
    status = status_at(plan, STARTED + offset, API)
    word = status["status"]
    if "message" in status:
        assert (status["message"] is None) == (word == "queued")
    if word not in ENDED:
        assert status.get("results") is None
    if plan.form.results is Listed.OBJECT:
        assert (status.get("total"), status.get("progress")) == (None, None)
    elif "progress" in status:
        assert (status["progress"] is None) == (word == "queued")
        assert word != "completed" or status["progress"] == plan.total


def test_keys_stand_in_the_recorded_order():
    keys = [key for key in status_at(plan_of(), STARTED, API) if key != "job_type"]
    assert keys == ["id", "url", "total", "progress", "status", "message", "results"]


def test_ids_and_urls_look_recorded():
    status = status_at(plan_of(), STARTED, API)
    assert re.fullmatch(r"V3-[0-9a-f]{32}", status["id"])
    assert status["url"] == f"{API}/job_statuses/{status['id']}.json"


def test_ids_look_documented_where_they_are_bare():
    assert re.fullmatch(r"[0-9a-f]{32}", plan_of(scenario="bare-ids").id)


def test_the_total_of_a_queued_job_is_told_or_null():
    assert status_at(plan_of(), STARTED, API)["total"] == 20
    plan = plan_of(scenario="null-totals", fate=Fate.SUCCEEDED, queue_seconds=1, work_seconds=5)
    totals = [status_at(plan, STARTED + at, API)["total"] for at in (0, 2, 10)]
    assert totals == [None, 20, 20]


def test_fields_may_be_missing_all_but_id_and_status():
    keys = {frozenset(status_at(plan, STARTED + 60, API)) for plan in plans_of(200, scenario="sparse")}
    assert frozenset({"id", "status"}) in keys
    assert frozenset.intersection(*keys) == {"id", "status"}
    assert len(keys) > 20


def job_types(scenario):
    return {status_at(plan, STARTED, API).get("job_type", "(absent)") for plan in plans_of(scenario=scenario)}


def test_a_job_type_is_present_absent_or_misleading():
    assert job_types("calm") == {"Bulk Create Ticket", "Bulk Update Ticket", "(absent)"}
    assert job_types("typed") == {"Bulk Create Ticket"}
    assert job_types("untyped") == {"(absent)"}
    assert job_types("mistyped") == {"Bulk Update Ticket"}


def test_a_working_job_says_what_it_is_at():
    plan = plan_of(queue_seconds=1, work_seconds=10, fate=Fate.SUCCEEDED)
    status = status_at(plan, STARTED + 10.9, API)
    assert status["message"] == f"Creating ticket #{status['progress']}"


def messages(fate, scenario="calm"):
    options = {"fate": fate, "scenario": scenario, "queue_seconds": 1, "work_seconds": 1}
    return {status_at(plan, STARTED + 60, API)["message"] for plan in plans_of(**options)}


def test_endings_carry_their_time_in_both_recorded_styles():
    assert messages(Fate.SUCCEEDED) == {
        "Completed at 2023-09-18 23:33:22 +0000",
        "Completed at Mon Sep 18 23:33:22 +0000 2023",
    }
    assert "Failed at 2023-09-18 23:33:22 +0000" in messages(Fate.FAILED)
    assert "Killed at 2023-09-18 23:33:22 +0000" in messages(Fate.KILLED)
    assert messages(Fate.SUCCEEDED, "old-dates") == {"Completed at Mon Sep 18 23:33:22 +0000 2023"}
