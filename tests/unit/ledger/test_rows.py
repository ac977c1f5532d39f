"""What stands in a row beside the value, and the value of a delivery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import DELETED, Job
from relay.errors import Undecipherable
from relay.ledger.rows import decode_delivery, encode_delivery, ended_at, job_row, key_hash

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.floats(0, 1e11, allow_nan=False)
deliveries = st.builds(
    Delivery,
    account=text,
    job_id=text,
    tracked_at=times,
    sink=text,
    sequence=st.integers(1, 2**40),
    since=times,
    due_at=times,
    state=st.sampled_from(DeliveryState),
    attempts=st.integers(0, 2**20),
    settled_at=st.none() | times,
    error=st.none() | text,
)


@given(deliveries)
def test_a_delivery_comes_back_from_its_row(delivery):
    row = encode_delivery(delivery)
    assert decode_delivery(row) == delivery
    assert not any(byte < 0x20 for byte in row)


@pytest.mark.parametrize(
    "row", [b"", b"null", b"[]", b"{}", b"[1]", b'["1"]', b"[1,2,3,4,5,6,7,8,9,10,11,12]", b"\xff", b"[" * 200_000]
)
def test_other_bytes_are_refused(row):
    with pytest.raises(Undecipherable, match="not a delivery row"):
        decode_delivery(row)


def test_a_delivery_of_a_newer_relay_says_so():
    with pytest.raises(Undecipherable, match="upgrade relay"):
        decode_delivery(b"[2]")


def test_a_delivery_of_a_newer_relay_says_so_whatever_else_it_holds():
    with pytest.raises(Undecipherable, match="version 2, newer than 1: upgrade relay"):
        decode_delivery(b'[2,{"more":[1]},null]')


@given(text, text)
def test_the_hash_of_a_key_is_a_signed_number_of_four_bytes(account, name):
    assert -(2**31) <= key_hash(account, name) < 2**31


def test_a_job_ends_when_its_end_was_detected():
    job = Job(account="a", id="1", tracked_at=1.0)
    assert ended_at(job) is None
    assert ended_at(Job(account="a", id="1", tracked_at=1.0, state="failed", detected_at=5.0)) == 5.0
    assert ended_at(Job(account="a", id="1", tracked_at=1.0, state="lost")) == 1.0
    assert ended_at(Job(account="a", id="1", tracked_at=1.0, state=DELETED)) == float("-inf")


def test_a_row_of_a_job_holds_what_is_searched_for():
    job = Job(account="a", id="1", tracked_at=1.0, state="working")
    assert job_row(job, b"{}") == (1.0, "a", "1", key_hash(*job.key), "working", None, b"{}")
