from relay.core.standing import (
    OTHERS,
    STRANGERS_MAX,
    AccountStanding,
    SinkStanding,
    SinkState,
    Standing,
    bounded,
    together,
)
from relay.errors import Reason


def stranger(number):
    return AccountStanding(
        name=f"s{number:04}", live_jobs=2, trouble=Reason.ACCOUNT_NOT_CONFIGURED, stale_seconds=number, at_risk=1
    )


def standing(strangers):
    accounts = [AccountStanding(name=f"a{number}", live_jobs=1) for number in range(500)]
    jobs = {(one.name, "pending"): 1 for one in accounts}
    jobs |= {(f"s{number:04}", state): 1 for number in range(strangers) for state in ("pending", "working")}
    return Standing(jobs=jobs, accounts=[*accounts, *map(stranger, range(strangers))])


def test_configured_accounts_are_all_told_and_so_are_some_that_are_not():
    few = standing(STRANGERS_MAX)
    assert bounded(few) == few


def test_those_that_are_not_configured_are_one_beyond_a_bound():
    """Whoever may write to the intake topic may write any name."""
    told = bounded(standing(STRANGERS_MAX + 300))
    assert len(told.accounts) == 500 + STRANGERS_MAX + 1
    assert told.accounts[-1] == AccountStanding(
        name=OTHERS,
        live_jobs=600,
        trouble=Reason.ACCOUNT_NOT_CONFIGURED,
        stale_seconds=STRANGERS_MAX + 299,
        at_risk=300,
    )
    assert told.jobs[OTHERS, "pending"] == told.jobs[OTHERS, "working"] == 300
    assert sum(told.jobs.values()) == 500 + 2 * (STRANGERS_MAX + 300)
    assert {name for name, _ in told.jobs} == {one.name for one in told.accounts}


def test_an_account_that_is_neither_configured_nor_has_a_job_left_is_told_no_more():
    """What is counted of its jobs is 0 for good, and there may be any number of such names."""
    here, gone = AccountStanding(name="here", live_jobs=0), {(f"s{number}", "pending"): 0 for number in range(300)}
    told = bounded(Standing(jobs={("here", "pending"): 0, **gone}, accounts=[here]))
    assert told.jobs == {("here", "pending"): 0}


def sink(state=SinkState.ACTIVE, **fields):
    return SinkStanding(name="orders", kind="webhook", state=state, **fields)


def test_a_sink_in_several_places_stands_as_where_it_is_worst_off_and_is_owed_the_sum():
    told = together(
        [
            sink(pending=1, dead=2, oldest_pending_since=50.0),
            sink(SinkState.FAILING, since=7.0, error="timeout", pending=3, oldest_pending_since=40.0),
            sink(SinkState.THROTTLED, since=1.0, dead=1),
        ]
    )
    assert told == sink(SinkState.FAILING, since=7.0, error="timeout", pending=4, dead=3, oldest_pending_since=40.0)
