from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.simulator.asking import document, listed, shown, start

from relay.simulator.model import Simulator
from relay.simulator.scenario import Listing, Order, Scenario
from relay.simulator.scenarios import SCENARIOS


def walk(simulator, now, size):
    """All ids, page by page."""
    ids, query = [], {"page[size]": str(size)}
    while True:
        page = document(listed(simulator, now, **query))
        ids += [status["id"] for status in page["job_statuses"]]
        if not page["meta"]["has_more"]:
            assert page["links"]["next"] is None
            return ids
        assert page["links"]["next"].startswith("https://example.zendesk.com/api/v2/job_statuses.json?")
        query["page[after]"] = page["meta"]["after_cursor"]


def started(simulator):
    """Four jobs, in the order of their start: two end, the second of them first."""
    return [start(simulator, queue_seconds=seconds, work_seconds=0)[0] for seconds in (10, 500, 5, 600)]


@pytest.mark.parametrize(
    ("order", "numbers"),
    [(Order.ENDED_FIRST, [0, 2, 3, 1]), (Order.RUNNING_FIRST, [3, 1, 0, 2]), (Order.CREATION, [3, 2, 1, 0])],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_list_is_sorted_by_completion_then_by_creation_or_otherwise(order, numbers, size):
    simulator = Simulator(scenario=Scenario(listing=Listing(order=order)))
    ids = started(simulator)
    assert walk(simulator, 60.0, size) == [ids[number] for number in numbers]


@given(st.lists(st.integers(0, 50), max_size=25), st.sampled_from(Order), st.integers(1, 9), st.integers(0, 60))
def test_walking_the_list_meets_every_job_once(seconds, order, size, now):
    simulator = Simulator(scenario=Scenario(listing=Listing(order=order)))
    ids = [start(simulator, queue_seconds=each, work_seconds=0)[0] for each in seconds]
    assert sorted(walk(simulator, float(now), size)) == sorted(ids)


def test_a_list_may_end_after_a_hundred_jobs():
    simulator = Simulator(scenario=SCENARIOS["last-hundred"])
    ids = start(simulator, 130, queue_seconds=60)
    for size in (7, 25, 100):
        assert walk(simulator, 1.0, size) == ids[:29:-1]


def test_forgotten_jobs_are_not_listed():
    simulator = Simulator(scenario=SCENARIOS["short-memory"])
    start(simulator, 3)
    assert len(shown(listed(simulator, 3_599.0))) == 3
    assert shown(listed(simulator, 3_600.0)) == []


@pytest.mark.parametrize(
    "query",
    [{"page[size]": "many"}, {"page[after]": "!"}, {"page[after]": "YQ=="}, {"page[after]": "WzFd"}],
)
def test_a_page_that_makes_no_sense_is_refused(query):
    refused = listed(Simulator(), **query)
    assert (refused.status, document(refused)["error"]) == (400, "InvalidPaginationParameter")


def test_a_page_holds_a_hundred_at_most_and_one_at_least():
    simulator = Simulator(scenario=replace(Scenario(), job_limit=None))
    start(simulator, 120)
    assert [len(shown(listed(simulator, **{"page[size]": size}))) for size in ("1000", "0", "-5")] == [100, 1, 1]
