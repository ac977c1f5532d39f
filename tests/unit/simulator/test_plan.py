from hypothesis import given
from hypothesis import strategies as st
from unit.simulator.plans import API, STARTED, plan_of, plans

from relay.simulator.plan import Fate
from relay.simulator.status import status_at

offsets = st.lists(st.floats(0, 2_000), min_size=2, max_size=20).map(sorted)
RANKS = {"queued": 0, "completed": 2, "failed": 2, "killed": 2}  # any other word: working


@given(plans, offsets)
def test_a_job_only_ever_moves_forward(plan, offsets):
    """States and progress never go back, and what has ended stays as it is."""
    seen = [status_at(plan, STARTED + offset, API) for offset in offsets]
    ranks = [RANKS.get(status["status"], 1) for status in seen]
    progress = [status["progress"] for status in seen if status.get("progress") is not None]
    ended = [status for status in seen if RANKS.get(status["status"]) == 2]
    assert ranks == sorted(ranks)
    assert progress == sorted(progress)
    assert len({status.get("total") for status in seen} - {None}) <= 1
    assert all(status == ended[0] for status in ended)


@given(plans, st.floats(0, 1_000), st.floats(0, 1, exclude_max=True))
def test_a_status_stays_as_it_is_until_the_plan_says_that_it_changes(plan, offset, share):
    """Otherwise what is kept of it would be served too long."""
    now = STARTED + offset
    until = min(plan.changes_after(now), now + 10_000)
    between = now + (until - now) * share
    if between < until:
        assert status_at(plan, between, API) == status_at(plan, now, API)


def test_a_job_without_working_time_jumps_from_queued_to_completed():
    plan = plan_of(queue_seconds=5, work_seconds=0, fate=Fate.SUCCEEDED)
    assert [plan.word_at(STARTED + at) for at in (0, 4.9, 5.0)] == ["queued", "queued", "completed"]


def test_a_job_goes_by_a_strange_word_for_a_while():
    plan = plan_of(scenario="strange-words", queue_seconds=0, work_seconds=100, fate=Fate.SUCCEEDED, seed=1)
    begins, ends = plan.strange
    words = [plan.word_at(at) for at in (begins - 0.1, begins, ends - 0.1, ends)]
    assert words == ["working", plan.form.strange_word, plan.form.strange_word, "working"]


def test_a_stuck_job_never_ends():
    assert plan_of(fate=Fate.STUCK).word_at(STARTED + 86_000) == "working"
