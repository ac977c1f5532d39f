from random import Random

from relay.simulator.forms import Forms, Listed, draw_form
from relay.simulator.kinds import KINDS


def forms(count=300, kind="create_tickets", **options):
    return [draw_form(Random(seed), Forms(**options), KINDS[kind]) for seed in range(count)]


def test_every_shape_that_is_allowed_is_drawn():
    assert {form.results for form in forms(results=tuple(Listed))} == set(Listed)


def test_permanent_deletion_always_answers_with_an_object():
    assert {form.results for form in forms(kind="permanently_delete_tickets")} == {Listed.OBJECT}


def test_results_of_errors_only_always_come_with_a_total():
    """Without it nobody could tell how many items went well, and no truth could be told."""
    drawn = forms(results=(Listed.ERRORS,), sparse=1.0)
    assert any("total" in form.missing for form in drawn)
    assert not any("total" in form.missing and form.results is Listed.ERRORS for form in drawn)


def test_strange_words_are_as_frequent_as_told():
    assert 150 < sum(form.strange_word is not None for form in forms(strange=0.7)) < 250
    assert not any(form.strange_word for form in forms())
