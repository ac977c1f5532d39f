"""show_many and show under every policy: each by the scenario that is named for it."""

from collections import Counter
from dataclasses import replace

import pytest
from unit.simulator.asking import document, get, listed, show, show_many, shown, start

from relay.simulator.model import Simulator
from relay.simulator.scenario import LookUps, Memory, Scenario, combine
from relay.simulator.scenarios import SCENARIOS


def simulator_of(*names, **changes):
    return Simulator(scenario=replace(combine(*(SCENARIOS[name] for name in names)), **changes))


def test_show_many_omits_unknown_ids_folds_duplicates_and_shuffles():
    simulator = Simulator()
    ids = start(simulator, 20)
    answer = show_many(simulator, [*ids, ids[0], "V3-unknown"])
    assert sorted(shown(answer)) == sorted(ids)
    assert shown(answer) != ids


def test_show_many_may_keep_the_order():
    simulator = simulator_of("in-order")
    ids = start(simulator, 20)
    assert shown(show_many(simulator, ids[::-1])) == ids[::-1]


def test_show_many_may_repeat_what_is_named_twice():
    simulator = simulator_of("repeating")
    first, second = start(simulator, 2)
    assert Counter(shown(show_many(simulator, [first, second, first]))) == {first: 2, second: 1}


def test_show_many_may_answer_404_for_one_unknown_id():
    simulator = simulator_of("unknown-404")
    ids = start(simulator, 3)
    assert shown(show_many(simulator, [ids[0], ids[0]])) == [ids[0]]
    refused = show_many(simulator, [*ids, "V3-unknown"])
    assert (refused.status, document(refused)["error"]) == (404, "RecordNotFound")


@pytest.mark.parametrize(("names", "most"), [((), 100), (("small-batches",), 10)])
def test_show_many_refuses_more_ids_than_it_takes(names, most):
    simulator = simulator_of(*names)
    assert show_many(simulator, [str(number) for number in range(most)]).status == 200
    answer = show_many(simulator, [str(number) for number in range(most + 1)])
    assert answer.status == 400
    assert document(answer)["error"] == "TooManyValues"
    assert document(answer)["max_count"] == most


def test_a_long_url_is_refused_by_whoever_stands_in_front():
    simulator = simulator_of("short-urls")
    ids = start(simulator, 20)
    assert show_many(simulator, ids[:10]).status == 200
    refused = show_many(simulator, ids)
    assert (refused.status, refused.content_type.partition(";")[0]) == (414, "text/html")


def test_a_poison_id_gets_the_whole_batch_refused_but_can_be_shown_alone():
    simulator = simulator_of(look_ups=LookUps(poison=0.1))
    ids = start(simulator, 50)
    assert show_many(simulator, ids).status == 422
    alone = {job_id: show_many(simulator, [job_id]).status for job_id in ids}
    assert 0 < Counter(alone.values())[422] < 20
    assert {show(simulator, job_id).status for job_id in ids} == {200}
    assert show_many(simulator, [job_id for job_id in ids if alone[job_id] == 200]).status == 200


@pytest.mark.parametrize(
    ("name", "status", "alone"), [("poison-500", 500, 200), ("poison-403", 403, 200), ("unspeakable", 500, 500)]
)
def test_a_poison_id_may_break_or_deny_what_names_it_even_by_itself(name, status, alone):
    simulator = simulator_of(name, job_limit=None)
    ids = start(simulator, 100)
    assert show_many(simulator, ids).status == status
    (bad, *_) = [job_id for job_id in ids if show_many(simulator, [job_id]).status == status]
    assert show(simulator, bad).status == alone
    answers = Counter(show(simulator, job_id).status for job_id in ids)
    assert answers[200] > 50


def test_a_refusal_may_keep_to_itself_how_many_ids_are_taken():
    simulator = simulator_of("small-batches-mute")
    answer = show_many(simulator, [str(number) for number in range(11)])
    assert (answer.status, "max_count" in document(answer)) == (400, False)
    assert show_many(simulator, [str(number) for number in range(10)]).status == 200


def test_replies_may_hold_a_job_that_nobody_asked_for():
    simulator = simulator_of("foreign")
    ids = start(simulator, 3)
    replies = [set(shown(show_many(simulator, ids))) for _ in range(200)]
    strangers = [reply - set(ids) for reply in replies]
    assert 40 < sum(map(len, strangers)) < 80
    assert 10 < sum(reply.isdisjoint(ids) for reply in replies) < 30, "somebody else's reply as a whole"
    assert len(frozenset().union(*strangers)) == sum(map(len, strangers)), "another one each time"


def test_a_count_may_stand_beside_the_statuses():
    simulator = simulator_of("counted")
    assert document(show_many(simulator, start(simulator, 3)))["count"] == 3
    assert "count" not in document(show_many(Simulator(), []))


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_show_finds_one_job_or_says_that_there_is_none(suffix):
    simulator = Simulator()
    (job_id,) = start(simulator)
    found = get(simulator, f"/api/v2/job_statuses/{job_id}{suffix}")
    assert document(found)["job_status"]["id"] == job_id
    missing = get(simulator, f"/api/v2/job_statuses/nope{suffix}")
    assert (missing.status, document(missing)["error"]) == (404, "RecordNotFound")


def test_show_may_answer_with_the_bare_object():
    simulator = simulator_of("bare-object")
    (job_id,) = start(simulator)
    assert document(show(simulator, job_id))["id"] == job_id


def test_a_hidden_job_is_on_the_list_before_look_ups_find_it():
    simulator = simulator_of(memory=Memory(hidden=1.0))
    (job_id,) = start(simulator)
    assert show(simulator, job_id).status == 404
    assert shown(show_many(simulator, [job_id])) == []
    assert shown(listed(simulator)) == [job_id]
    assert shown(show_many(simulator, [job_id], 5.0)) == [job_id]


def test_an_unlisted_job_is_found_by_look_ups_before_it_is_on_the_list():
    simulator = simulator_of(memory=Memory(unlisted=1.0))
    (job_id,) = start(simulator)
    assert show(simulator, job_id).status == 200
    assert shown(listed(simulator)) == []
    assert shown(listed(simulator, 60.0)) == [job_id]


@pytest.mark.parametrize("name", ["stale-show", "stale-show-many", "stale-list"])
def test_one_call_shows_what_was_so_a_while_ago_and_the_others_what_is(name):
    """The first seconds it does not know the job at all; then it shows an older state."""
    simulator = simulator_of(name)
    (job_id,) = start(simulator, queue_seconds=30, work_seconds=0)

    def words(now):
        one = document(show(simulator, job_id, now)).get("job_status")
        calls = {"stale-show": [one] if one else []}
        calls["stale-show-many"] = document(show_many(simulator, [job_id], now))["job_statuses"]
        calls["stale-list"] = document(listed(simulator, now))["job_statuses"]
        return {call: [status["status"] for status in statuses] for call, statuses in calls.items()}

    others = {"stale-show", "stale-show-many", "stale-list"} - {name}
    for now, fresh, stale in [(0.0, "queued", []), (31.0, "completed", ["queued"]), (50.0, "completed", ["completed"])]:
        told = words(now)
        assert told[name] == stale
        assert all(told[other] == [fresh] for other in others)


def test_every_fifth_look_up_misses_a_job_that_is_there():
    simulator = simulator_of("flickering")
    ids = start(simulator, 50)
    many = [len(shown(show_many(simulator, ids))) for _ in range(20)]
    single = [show(simulator, ids[0]).status for _ in range(100)]
    assert 700 < sum(many) < 900
    assert 5 < single.count(404) < 40
    assert len(shown(listed(simulator))) == 50


def test_statuses_do_not_grow_stale_between_calls_of_different_age():
    """What is kept of a rendering belongs to the moment it shows."""
    simulator = Simulator(scenario=Scenario(memory=Memory(show_lag_seconds=20.0)))
    (job_id,) = start(simulator, queue_seconds=10, work_seconds=0)
    for _ in range(2):
        assert document(show_many(simulator, [job_id], 25.0))["job_statuses"][0]["status"] == "completed"
        assert document(show(simulator, job_id, 25.0))["job_status"]["status"] == "queued"
