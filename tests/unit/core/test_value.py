"""Values of which there are very many: dataclasses in all but the price."""

import copy
import dataclasses

import pytest

from relay.core.job import Job
from relay.core.value import replace

JOB = Job(account="acme", id="1", tracked_at=1.0)


def test_values_compare_and_hash_by_their_fields():
    assert replace(JOB, state="queued") != JOB
    assert replace(JOB, state="queued", items=JOB.items) == replace(JOB, state="queued")
    assert len({JOB, replace(JOB), replace(JOB, id="2")}) == 2


def test_a_value_holds_its_fields_and_nothing_else():
    assert not hasattr(JOB, "__dict__")


def test_another_value_differs_in_what_is_named_and_the_first_stays_as_it_is():
    other = replace(JOB, state="queued", sequence=3)
    assert other == dataclasses.replace(JOB, state="queued", sequence=3)
    assert (JOB.state, JOB.sequence) == ("pending", 0)
    assert copy.copy(other) == other


def test_there_are_no_other_fields():
    with pytest.raises(AttributeError):
        replace(JOB, stat="queued")
