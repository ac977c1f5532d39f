from unit.simulator.plans import plan_of, plans_of

from relay.simulator.plan import Fate
from relay.simulator.results import results_of


def entry_keys(kind, fate, scenario="calm"):
    return {tuple(entry) for plan in plans_of(kind=kind, fate=fate, scenario=scenario) for entry in results_of(plan)}


def test_results_have_the_recorded_shape_of_each_kind():
    assert entry_keys("create_tickets", Fate.SUCCEEDED) == {("index", "id", "account_id"), ("id", "status")}
    assert entry_keys("update_users", Fate.SUCCEEDED) == {("action", "id", "status", "success")}
    assert entry_keys("delete_tickets", Fate.SUCCEEDED) == {("action", "id", "status", "success")}
    assert entry_keys("create_tickets", Fate.ALL_FAILED) == {("index", "error", "details")}
    assert entry_keys("update_users", Fate.FAILED) == {("index", "id", "error", "details")}


def test_every_shape_that_was_seen_can_be_had():
    """Also the documented {index,id}; entries with email, external_id, title; errors as a list or a mere word."""
    plans = plans_of(300, kind="create_users", scenario="all-shapes")
    shapes = {tuple(entry) for plan in plans if isinstance(results_of(plan), list) for entry in results_of(plan)} | {
        tuple(results_of(plan)) for plan in plans if isinstance(results_of(plan), dict)
    }
    notes = ("email", "external_id")
    assert shapes == {
        ("index", "id", "account_id"),
        ("id", "status"),
        ("index", "id"),
        ("index", "id", "account_id", *notes),
        ("index", "error", "details"),
        ("index", *notes, "error", "details"),
        ("index", *notes, "errors"),
        ("index", *notes, "success", "status"),
        ("success",),
    }
    titled = entry_keys("update_tickets", Fate.SUCCEEDED, "all-shapes") | {()}
    assert ("action", "id", "status", "success", "title") in titled


def test_permanent_deletion_tells_only_whether_all_went_well():
    assert results_of(plan_of(kind="permanently_delete_tickets", fate=Fate.SUCCEEDED)) == {"success": True}
    assert results_of(plan_of(kind="permanently_delete_tickets", fate=Fate.PARTIALLY_FAILED)) == {"success": False}


def test_errors_only_leaves_an_empty_list_where_all_went_well():
    assert results_of(plan_of(kind="update_tickets", fate=Fate.SUCCEEDED, scenario="errors-only")) == []
    plan = plan_of(kind="update_tickets", fate=Fate.PARTIALLY_FAILED, scenario="errors-only")
    assert [entry["index"] for entry in results_of(plan)] == sorted(plan.failed)


def test_success_objects_stand_for_any_kind():
    assert results_of(plan_of(fate=Fate.SUCCEEDED, scenario="success-objects")) == {"success": True}
    assert results_of(plan_of(fate=Fate.MOSTLY_FAILED, scenario="success-objects")) == {"success": False}


def test_a_killed_job_has_no_results():
    assert results_of(plan_of(fate=Fate.KILLED)) is None
