from math import inf
from random import Random

import pytest

from relay.simulator.kinds import KINDS, MISLEADING_JOB_TYPE
from relay.simulator.plan import Fate
from relay.simulator.planning import Wish, draw
from relay.simulator.scenario import SCENARIOS


def plans_of(scenario, count=300, item_ids=(None,) * 10, **wish):
    return [
        draw(
            Random(seed),
            SCENARIOS[scenario],
            account="acme",
            account_id=1,
            number=seed,
            kind=KINDS["delete_tickets"],
            item_ids=item_ids,
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
    assert {plan.job_type for plan in plans_of("calm")} == {"Bulk Delete Ticket", None, MISLEADING_JOB_TYPE}


def test_forgetful_hides_some_jobs_at_first_and_loses_few_for_good():
    plans = plans_of("forgetful")
    assert 100 < sum(plan.hidden_until > plan.created_at for plan in plans) < 200
    assert 3 < sum(plan.gone_at < plan.ended_at for plan in plans) < 40


def test_job_data_lives_for_one_day_from_creation():
    assert {plan.gone_at - plan.created_at for plan in plans_of("calm", count=5)} == {86_400.0}
