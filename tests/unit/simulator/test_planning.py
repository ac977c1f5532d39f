from itertools import pairwise
from math import inf
from random import Random

import pytest

from relay.simulator.kinds import KINDS, MISLEADING_JOB_TYPE
from relay.simulator.plan import Fate
from relay.simulator.planning import NewJob, Wish, draw
from relay.simulator.scenarios import SCENARIOS


def plans_of(scenario, count=300, item_ids=(None,) * 10, **wish):
    return [
        draw(
            Random(seed),
            SCENARIOS[scenario],
            NewJob(account="acme", account_id=1, number=seed, kind=KINDS["delete_tickets"], item_ids=item_ids),
            now=1_000.0,
            wish=Wish(**wish),
        )
        for seed in range(count)
    ]


def test_the_same_randomness_draws_the_same_plan():
    assert plans_of("mixed") == plans_of("mixed")


def test_mixed_holds_every_fate_and_calm_only_success():
    assert {plan.fate for plan in plans_of("mixed")} == set(Fate)
    assert {plan.fate for plan in plans_of("calm")} == {Fate.SUCCEEDED}


def test_some_jobs_are_never_seen_working_and_most_are():
    jumps = sum(plan.working_at == plan.ended_at for plan in plans_of("calm"))
    assert 50 < jumps < 150


@pytest.mark.parametrize(("scenario", "most"), [("fast", 1.0), ("calm", 20.0), ("slow", 1_020.0)])
def test_the_pace_bounds_the_duration(scenario, most):
    assert max(plan.ended_at - plan.created_at for plan in plans_of(scenario)) <= most


def test_wishes_are_granted_exactly():
    for plan in plans_of("mixed", count=30, fate=Fate.KILLED, queue_seconds=2.0, work_seconds=3.0):
        assert (plan.fate, plan.working_at, plan.ended_at) == (Fate.KILLED, 1_002.0, 1_005.0)


def test_a_stuck_job_never_ends():
    assert {plan.ended_at for plan in plans_of("calm", count=5, fate=Fate.STUCK)} == {inf}


def test_ids_that_the_caller_named_are_kept_and_others_made_up():
    (plan,) = plans_of("calm", count=1, item_ids=(7, None, "ext-1"))
    assert (plan.item_ids[0], plan.item_ids[2]) == (7, "ext-1")
    assert isinstance(plan.item_ids[1], int)


def test_job_type_is_present_absent_or_misleading():
    assert {plan.form.job_type for plan in plans_of("calm")} == {"Bulk Delete Ticket", None, MISLEADING_JOB_TYPE}


def test_forgetful_hides_some_jobs_at_first_and_loses_few_for_good():
    plans = plans_of("forgetful")
    assert 100 < sum(plan.hidden_until > plan.created_at for plan in plans) < 200
    assert 3 < sum(plan.gone_at < plan.ended_at for plan in plans) < 40


def test_job_data_lives_for_one_day_from_creation():
    assert {plan.gone_at - plan.created_at for plan in plans_of("calm", count=5)} == {86_400.0}
    assert {plan.gone_at - plan.created_at for plan in plans_of("short-memory", count=5)} == {3_600.0}


def test_a_jumpy_account_shows_no_job_at_work():
    assert all(plan.working_at == plan.ended_at for plan in plans_of("jumpy"))


def test_a_stalling_job_stands_still_and_then_goes_on_as_it_would_have():
    stalled = [plan for plan in plans_of("stalling") if plan.ended_at - plan.working_at > 16.0]
    assert 150 < len(stalled) < 250
    for plan in stalled:
        moments = [plan.working_at, *(step.at for step in plan.steps), plan.ended_at]
        assert moments == sorted(moments)
        assert max(later - earlier for earlier, later in pairwise(moments)) >= 30.0


def test_a_wished_duration_is_not_stalled():
    assert {plan.ended_at - plan.working_at for plan in plans_of("stalling", count=50, work_seconds=5.0)} == {5.0}


def test_mostly_errors_leaves_one_item_or_none():
    assert {10 - len(plan.failed) for plan in plans_of("mostly-errors")} == {0, 1}


def test_a_third_of_the_jobs_is_stuck():
    assert 70 < sum(plan.fate is Fate.STUCK for plan in plans_of("stuck")) < 130


def test_some_jobs_are_poison():
    assert 5 < sum(plan.poisonous for plan in plans_of("poison")) < 60
    assert not any(plan.poisonous for plan in plans_of("calm"))


def test_unlisted_jobs_are_found_by_id_before_they_are_listed():
    plans = plans_of("unlisted")
    late = [plan for plan in plans if not plan.listed_at(1_000.0)]
    assert 150 < len(late) < 250
    assert all(plan.found_at(1_000.0) and plan.listed_at(1_060.0) for plan in late)


def test_a_strange_word_comes_while_a_job_works_and_goes_unless_it_is_stuck():
    for plan in plans_of("strange-words", fate=Fate.SUCCEEDED):
        assert plan.working_at <= plan.strange[0] <= plan.strange[1] <= plan.ended_at
    assert {plan.strange[1] for plan in plans_of("strange-words", count=5, fate=Fate.STUCK)} == {inf}
