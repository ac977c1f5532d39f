"""The state table, and what a job says of itself by it. Its row is held by test_job_row."""

import pytest
from msgspec.structs import replace

from relay.core.job import DELETED, STATE_LABELS, STATES, Event, EventType, Job, JobKey, state_of
from relay.errors import Reason

JOB = Job(account="acme", id="V3-1", tracked_at=1.0)


def event(kind, sequence=1):
    return Event(type=kind, sequence=sequence, detected_at=2.0, previous_status=None, metadata=b"{}")


def test_the_table_says_what_ends_a_job_and_with_which_event():
    assert {word: (state.ends_with, state.reason) for word, state in STATES.items() if state.terminal} == {
        "completed": (EventType.COMPLETED, None),
        "failed": (EventType.FAILED, Reason.JOB_FAILED),
        "killed": (EventType.KILLED, Reason.JOB_KILLED),
        "expired": (EventType.EXPIRED, Reason.AGE_LIMIT),
        "lost": (EventType.LOST, Reason.NEVER_FOUND),
        "deleted": (None, None),
    }


@pytest.mark.parametrize("word", ["pending", "queued", "working", "pondering", "Completed", ""])
def test_any_other_word_is_running(word):
    assert not state_of(word).terminal
    assert not replace(JOB, state=word).terminal


def test_labels_for_metrics_are_a_closed_set():
    assert set(STATE_LABELS) == {*STATES, "other"}


def test_a_job_is_known_by_account_and_id():
    assert JOB.key == JobKey("acme", "V3-1") == ("acme", "V3-1")


def test_one_that_is_tracked_anew_lives_another_life():
    assert JOB.incarnation == (1.0, "acme", "V3-1") != replace(JOB, tracked_at=2.0).incarnation


@pytest.mark.parametrize("word", [word for word, state in STATES.items() if state.ends_with])
def test_the_final_event_is_the_one_that_the_state_ends_with(word):
    kind = STATES[word].ends_with
    ended = replace(JOB, state=word, events=(event(EventType.STARTED), event(kind, 2)))
    assert ended.final_event == event(kind, 2)
    assert replace(ended, events=()).final_event is None


@pytest.mark.parametrize("word", ["pending", "working", "pondering", DELETED])
def test_a_job_that_did_not_end_has_no_final_event(word):
    assert replace(JOB, state=word, events=(event(EventType.PROGRESSED),)).final_event is None
