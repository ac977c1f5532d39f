"""Commands in records: what was written is read again, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core import commands
from relay.core.commands import KINDS, Pause, Recover, Resume, Retry, Untrack
from relay.core.delivery import DeliveryKey
from relay.core.job import JobKey
from relay.errors import Undecipherable

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
moments = st.floats(allow_nan=False, allow_infinity=False)
sinks = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
any_command = st.one_of(
    st.builds(Untrack, account=texts, id=texts),
    st.builds(Pause, sink=sinks, since=moments),
    st.builds(Resume, sink=sinks),
    st.builds(Recover, sink=sinks, since=moments, until=moments),
    st.builds(Retry, tracked_at=moments, account=texts, job_id=texts, sink=texts),
)


@given(any_command)
def test_what_was_written_is_read_again(command):
    assert commands.decode(*commands.encode(command)) == command


@given(st.one_of(st.text(max_size=20), st.sampled_from(sorted(KINDS))), st.binary(max_size=60))
def test_whatever_else_there_is_cannot_be_deciphered(kind, value):
    try:
        found = commands.decode(kind, value)
    except Undecipherable:
        return
    assert isinstance(found, KINDS[kind])


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("explode", b"{}", "there is no command 'explode'; there are: untrack, pause"),
        ("untrack", b'{"account":"acme"}', "not the fields of untrack: Object missing required field `id`"),
        ("pause", b'{"sink":"No Name","since":1}', "not the fields of pause"),
        ("recover", b'{"sink":"orders","since":0,"until":null}', "not the fields of recover"),
        ("resume", b"", "not the fields of resume"),
    ],
)
def test_what_cannot_be_read_says_why(kind, value, said):
    with pytest.raises(Undecipherable, match=said):
        commands.decode(kind, value)


def test_fields_of_a_newer_relay_are_passed_over():
    assert commands.decode("resume", b'{"sink":"orders","why":"it works again"}') == Resume(sink="orders")


def test_they_name_what_they_are_about():
    assert Untrack(account="acme", id="V3-1").key == JobKey("acme", "V3-1")
    assert Retry(tracked_at=1.5, account="acme", job_id="V3-1", sink="s").key == DeliveryKey(1.5, "acme", "V3-1", "s")
