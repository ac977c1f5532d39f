import io

import pytest
from rich.console import Console

from relay.app.tracking.client import Tracked
from relay.app.tracking.display import Display, outcome_lines

JOBS = [Tracked(account="acme", id=f"V3-{n}", created=True, href="") for n in range(100)]


def view(outcome=None, *, state="completed", items=(None, None), **status):
    counts = dict(zip(("succeeded", "failed"), items, strict=True))
    return {"state": state, "terminal": outcome is not None, "outcome": outcome, "items": counts, "job_status": status}


def told(*args, **fields):
    return list(outcome_lines(JOBS[1], view(*args, **fields)))


def test_a_job_that_went_well_is_one_line():
    assert told("succeeded", items=(20, 0)) == ["succeeded acme/V3-1 succeeded=20 failed=0"]


def test_items_that_failed_are_told_by_cause():
    results = [
        {"index": 0, "id": 7},
        {"index": 1, "error": "TicketCreateError", "details": "Name: cannot\nbe blank"},
        *({"index": n, "id": 100 + n, "error": "TooManyTags"} for n in range(2, 9)),
    ]
    assert told("partially_failed", items=(1, 8), results=results) == [
        "partially_failed acme/V3-1 succeeded=1 failed=8",
        "  TicketCreateError: Name: cannot be blank (item 1)",
        "  TooManyTags (item 2 id 102, 3 id 103, 4 id 104, 5 id 105, 6 id 106 and 2 more)",
    ]


def test_causes_are_bounded():
    lines = told("failed", items=(0, 50), results=[{"index": n, "error": f"E{n}"} for n in range(50)])
    assert (len(lines), lines[-1]) == (12, "  and 40 more causes")


def test_a_job_that_failed_as_a_whole_says_what_zendesk_says():
    assert told("failed", state="failed", message="Failed at\x1b[2J 2016", results=None) == [
        "failed acme/V3-1 state=failed",
        "  Failed at [2J 2016",
    ]


def test_a_job_that_was_lost_has_no_status():
    lost = {**view("unknown", state="lost"), "job_status": None}
    assert list(outcome_lines(JOBS[1], lost)) == ["unknown acme/V3-1 state=lost"]


@pytest.fixture
def terminal():
    return Console(
        file=io.StringIO(), force_terminal=True, force_interactive=True, width=80, height=10, color_system=None,
        _environ={},
    )  # fmt: skip


@pytest.fixture
def pipe():
    return Console(file=io.StringIO())


def bars(console):
    """The job names of the bars that stand on the screen: those after the last time the cursor went up."""
    drawn = console.file.getvalue().rpartition("\x1b[2K")[2]
    return [line.split()[0] for line in drawn.splitlines() if "acme/" in line]


def test_at_a_terminal_bars_fill_the_height_and_no_more(terminal, pipe):
    with Display(JOBS, terminal, pipe):
        shown = bars(terminal)
    assert shown == [f"acme/V3-{n}" for n in range(6)]


def test_a_job_that_ends_makes_room_for_the_next(terminal, pipe):
    with Display(JOBS, terminal, pipe) as display:
        display.seen(JOBS[0], view("succeeded", items=(2, 0)))
        shown = bars(terminal)
    assert shown == [f"acme/V3-{n}" for n in range(1, 7)]
    assert display.outcomes == {"succeeded": 1}


def test_for_a_program_there_are_the_final_lines_only(pipe):
    notices = Console(file=io.StringIO())
    with Display(JOBS[:3], pipe, notices) as display:
        display.seen(JOBS[0], view(state="working", total=4, progress=1))
        display.interrupted("no relay answers")
        display.resumed()
        display.seen(JOBS[0], view("failed", items=(0, 4)))
        display.vanished(JOBS[1])
    assert pipe.file.getvalue().splitlines() == [
        "failed acme/V3-0 succeeded=0 failed=4",
        "unknown acme/V3-1 is not tracked any more",
    ]
    assert len(notices.file.getvalue().splitlines()) == 2
    assert display.outcomes.total() == 2
