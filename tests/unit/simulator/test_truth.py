from math import inf

from hypothesis import given
from unit.simulator.plans import API, STARTED, plan_of, plans, plans_of

from relay.simulator.plan import Fate
from relay.simulator.status import status_at
from relay.simulator.truth import truth_of


def failed_entry(entry):
    return "error" in entry or "errors" in entry or entry.get("success") is False


@given(plans)
def test_the_truth_agrees_with_the_last_status(plan):
    """What checkers are told is what the API ends up saying, item by item."""
    truth, last = truth_of(plan), status_at(plan, STARTED + 10_000, API)
    assert truth["status"] == (None if plan.fate is Fate.STUCK else last["status"])
    assert (truth["ended_at"] is None) == (plan.ended_at == inf)
    results = last.get("results")
    if isinstance(results, list):
        failed = sum(map(failed_entry, results))
        assert (truth["succeeded"], truth["failed"]) == (plan.total - failed, failed)
    else:
        assert (truth["succeeded"], truth["failed"]) == (None, None)


@given(plans)
def test_outcome_is_told_by_the_results(plan):
    truth = truth_of(plan)
    if plan.fate is Fate.STUCK:
        assert truth["outcome"] is None
    elif truth["status"] != "completed":
        assert truth["outcome"] == "failed"
    elif "results" in plan.form.missing:
        assert truth["outcome"] == "unknown"
    elif not plan.failed:
        assert truth["outcome"] == "succeeded"
    elif truth["failed"] is not None:
        assert truth["outcome"] == ("partially_failed" if truth["succeeded"] else "failed")
    else:
        assert truth["outcome"] == "failed"


def test_a_partially_failed_job_keeps_items_that_went_well():
    counts = {truth_of(plan)["failed"] for plan in plans_of(200, fate=Fate.PARTIALLY_FAILED)}
    assert min(counts) >= 1
    assert max(counts) == 19


def test_a_mostly_failed_job_keeps_one():
    """One recorded completed job held 99 errors among 100 results."""
    truth = truth_of(plan_of(items=100, fate=Fate.MOSTLY_FAILED))
    assert (truth["status"], truth["outcome"], truth["failed"]) == ("completed", "partially_failed", 99)
