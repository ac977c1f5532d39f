"""Values of which there are very many: dataclasses in all but the price."""

from dataclasses import replace

from relay.core.job import Job

JOB = Job(account="acme", id="1", tracked_at=1.0)


def test_values_compare_and_hash_by_their_fields():
    assert replace(JOB, state="queued") != JOB
    assert replace(JOB, state="queued", items=JOB.items) == replace(JOB, state="queued")
    assert len({JOB, replace(JOB), replace(JOB, id="2")}) == 2


def test_a_value_holds_its_fields_and_nothing_else():
    assert not hasattr(JOB, "__dict__")
