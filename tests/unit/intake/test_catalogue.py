from collections import Counter

from relay.intake.catalogue import CALLS, PROBLEM_HEADERS, PROBLEMS


def test_a_call_has_a_name_and_a_place_of_its_own():
    for of_each in ([call.name for call in CALLS], [(call.method, call.path) for call in CALLS]):
        assert max(Counter(of_each).values()) == 1


def test_every_problem_is_explained():
    assert {status for call in CALLS for status in call.problems} == set(PROBLEMS)
    assert PROBLEM_HEADERS.keys() <= PROBLEMS.keys()


def test_whoever_takes_a_body_may_find_it_unacceptable():
    assert all(422 in call.problems for call in CALLS if call.body or call.query)


def test_what_needs_no_key_cannot_lack_one():
    assert all((401 in call.problems) == bool(call.scopes) for call in CALLS)
