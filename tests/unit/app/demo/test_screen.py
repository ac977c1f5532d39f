import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import relay
from relay.app.demo.board import Board
from relay.app.demo.screen import Links, Spent, screen

LINKS = Links(relay="http://127.0.0.1:48080", simulator="http://127.0.0.1:48090", folder="/tmp/relay-demo-abcd1234")
EXAMPLES = Path(relay.__file__).parents[1] / "docs" / "events"


def example(name, job_id):
    event = json.loads((EXAMPLES / f"{name}.json").read_text())
    event["data"]["job_id"] = job_id
    return event


@pytest.fixture
def board():
    filled = Board()
    for number in range(30):
        job_id = f"V3-{number:032x}"
        filled.handed_in({"id": job_id, "job_type": "Bulk Create Ticket", "total": 3}, 0.0)
        filled.received(example("started", job_id), 1.0)
    filled.received(example("completed", f"V3-{29:032x}"), 2.0)
    return filled


def shown(board, width, height):
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None, _environ={}
    )
    console.print(screen(board, LINKS, Spent(last_minute=57, ceiling=120), height))
    return console.file.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (60, 16), (40, 8)])
def test_it_fits_every_terminal(board, width, height):
    lines = shown(board, width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_everything_worth_knowing_is_on_it(board, width, height):
    text = "\n".join(shown(board, width, height))
    places = ("/v1/jobs", "/openapi.json", "/metrics")
    assert all(f"http://127.0.0.1:48080{place}" in text for place in places)
    assert "http://127.0.0.1:48090/simulator/truth" in text
    assert "/tmp/relay-demo-abcd1234" in text
    assert "partially failed  " in text
    assert "2 ok, 1 failed" in text
    assert "1 of 3, Creating ticket #1" in text
    assert "partially failed: 2 ok, 1 failed" in text
    assert "30 jobs: 29 running, 1 partially failed; 31 events delivered" in text
    assert "57 requests to Zendesk in the last minute, of 120   Ctrl-C ends it" in text


def test_a_long_folder_cuts_nothing_but_itself(board):
    console = Console(file=io.StringIO(), width=80, height=24, _environ={})
    links = Links(relay=LINKS.relay, simulator=LINKS.simulator, folder="/very" * 30)
    console.print(screen(board, links, Spent(last_minute=0, ceiling=120), 24))
    text = console.file.getvalue()
    places = ("48080/v1/jobs", "48080/openapi.json", "48080/metrics", "48090/simulator/truth", "files /very")
    assert all(place in text for place in places)


def test_at_the_beginning_there_is_nothing_yet():
    assert "0 jobs: 0 running; 0 events delivered" in "\n".join(shown(Board(), 80, 24))
