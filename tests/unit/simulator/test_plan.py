import re
from math import inf
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from relay.simulator.kinds import KINDS, Shape
from relay.simulator.plan import Fate, results_of, status_at, truth_of
from relay.simulator.planning import Wish, draw
from relay.simulator.scenario import SCENARIOS

API = "https://acme.zendesk.com/api/v2"
STARTED = 1_695_080_000.0


def plan_of(*, seed=1, fate=None, kind="create_tickets", items=20, scenario="calm", **durations):
    return draw(
        Random(seed),
        SCENARIOS[scenario],
        account="acme",
        account_id=15745908,
        number=1,
        kind=KINDS[kind],
        item_ids=[None] * items,
        now=STARTED,
        wish=Wish(fate=fate, **durations),
    )


plans = st.builds(
    plan_of,
    seed=st.integers(0, 2**32),
    fate=st.sampled_from(Fate),
    kind=st.sampled_from(sorted(KINDS)),
    items=st.integers(1, 100),
    scenario=st.sampled_from(sorted(SCENARIOS)),
)
offsets = st.lists(st.floats(0, 2_000), min_size=2, max_size=20).map(sorted)
RANKS = {"queued": 0, "working": 1, "completed": 2, "failed": 2, "killed": 2}


@given(plans, offsets)
def test_a_job_only_ever_moves_forward(plan, offsets):
    """States and progress never go back, the total is constant, and what has ended stays as it is."""
    seen = [status_at(plan, STARTED + offset, API) for offset in offsets]
    ranks = [RANKS[status["status"]] for status in seen]
    progress = [status["progress"] for status in seen if status["progress"] is not None]
    ended = [status for status in seen if RANKS[status["status"]] == 2]
    assert ranks == sorted(ranks)
    assert progress == sorted(progress)
    assert len({status["total"] for status in seen}) == 1
    assert all(status == ended[0] for status in ended)


@given(plans, st.floats(0, 1_000), st.floats(0, 1, exclude_max=True))
def test_a_status_stays_as_it_is_until_the_plan_says_that_it_changes(plan, offset, share):
    """Otherwise what is kept of it would be served too long."""
    now = STARTED + offset
    until = min(plan.changes_after(now), now + 10_000)
    between = now + (until - now) * share
    if between < until:
        assert status_at(plan, between, API) == status_at(plan, now, API)


@given(plans, st.floats(0, 2_000))
def test_nulls_follow_the_state(plan, offset):
    """Queued: no progress, no message. Results only when ended. Permanent deletion: no numbers at all."""
    status = status_at(plan, STARTED + offset, API)
    word = status["status"]
    assert (status["message"] is None) == (word == "queued")
    if RANKS[word] < 2:
        assert status["results"] is None
    if plan.kind.shape is Shape.SUCCESS:
        assert (status["total"], status["progress"]) == (None, None)
    else:
        assert status["total"] == plan.total
        assert (status["progress"] is None) == (word == "queued")
        assert word != "completed" or status["progress"] == plan.total


@given(plans)
def test_the_truth_agrees_with_the_last_status(plan):
    """What checkers are told is what the API ends up saying, item by item."""
    truth, last = truth_of(plan), status_at(plan, STARTED + 10_000, API)
    assert truth["status"] == (None if plan.fate is Fate.STUCK else last["status"])
    assert (truth["ended_at"] is None) == (plan.ended_at == inf)
    if isinstance(last["results"], list):
        failed = sum("error" in entry for entry in last["results"])
        assert (truth["succeeded"], truth["failed"]) == (plan.total - failed, failed)
    else:
        assert (truth["succeeded"], truth["failed"]) == (None, None)


@given(plans)
def test_outcome_is_told_by_the_failed_items(plan):
    truth = truth_of(plan)
    if plan.fate is Fate.STUCK:
        assert truth["outcome"] is None
    elif truth["status"] != "completed" or plan.fate is Fate.ALL_FAILED:
        assert truth["outcome"] == "failed"
    elif plan.fate is Fate.SUCCEEDED:
        assert truth["outcome"] == "succeeded"
    elif truth["failed"] is not None:
        assert truth["outcome"] == ("partially_failed" if truth["succeeded"] else "failed")


def test_ids_and_urls_look_recorded():
    status = status_at(plan_of(), STARTED, API)
    assert re.fullmatch(r"V3-[0-9a-f]{32}", status["id"])
    assert status["url"] == f"{API}/job_statuses/{status['id']}.json"


def test_keys_stand_in_the_recorded_order():
    keys = [key for key in status_at(plan_of(), STARTED, API) if key != "job_type"]
    assert keys == ["id", "url", "total", "progress", "status", "message", "results"]


def test_a_working_job_says_what_it_is_at():
    plan = plan_of(queue_seconds=1, work_seconds=10, fate=Fate.SUCCEEDED)
    status = status_at(plan, STARTED + 10.9, API)
    assert status["message"] == f"Creating ticket #{status['progress']}"


def test_a_job_without_working_time_jumps_from_queued_to_completed():
    plan = plan_of(queue_seconds=5, work_seconds=0, fate=Fate.SUCCEEDED)
    words = [status_at(plan, STARTED + at, API)["status"] for at in (0, 4.9, 5.0)]
    assert words == ["queued", "queued", "completed"]


def messages(fate):
    return {
        status_at(plan_of(seed=seed, fate=fate, queue_seconds=1, work_seconds=1), STARTED + 60, API)["message"]
        for seed in range(40)
    }


def test_endings_carry_their_time_in_both_recorded_styles():
    assert messages(Fate.SUCCEEDED) == {
        "Completed at 2023-09-18 23:33:22 +0000",
        "Completed at Mon Sep 18 23:33:22 +0000 2023",
    }
    assert "Failed at 2023-09-18 23:33:22 +0000" in messages(Fate.FAILED)
    assert "Killed at 2023-09-18 23:33:22 +0000" in messages(Fate.KILLED)


def entry_keys(kind, fate):
    plans = (plan_of(seed=seed, kind=kind, fate=fate) for seed in range(20))
    return {tuple(entry) for plan in plans for entry in results_of(plan)}


def test_results_have_the_recorded_shape_of_each_kind():
    assert entry_keys("create_tickets", Fate.SUCCEEDED) == {("index", "id", "account_id"), ("id", "status")}
    assert entry_keys("update_users", Fate.SUCCEEDED) == {("action", "id", "status", "success")}
    assert entry_keys("delete_tickets", Fate.SUCCEEDED) == {("action", "id", "status", "success")}
    assert entry_keys("create_tickets", Fate.ALL_FAILED) == {("index", "error", "details")}
    assert entry_keys("update_users", Fate.FAILED) == {("index", "id", "error", "details")}


def test_permanent_deletion_tells_only_whether_all_went_well():
    assert results_of(plan_of(kind="permanently_delete_tickets", fate=Fate.SUCCEEDED)) == {"success": True}
    assert results_of(plan_of(kind="permanently_delete_tickets", fate=Fate.PARTIALLY_FAILED)) == {"success": False}


def test_a_partially_failed_job_keeps_items_that_went_well():
    counts = {truth_of(plan_of(seed=seed, fate=Fate.PARTIALLY_FAILED))["failed"] for seed in range(100)}
    assert min(counts) >= 1
    assert max(counts) == 19
