from importlib import import_module
from io import StringIO

import orjson
import pytest
from rich.console import Console

from relay.errors import ConfigError

command = import_module("relay.app.commands.deliveries.list")

DEAD = {
    "id": "dlv_WzE",
    "account": "acme",
    "job_id": "V3-1",
    "sink": "orders",
    "state": "dead",
    "event": {"id": "evt_1", "type": "zendesk.job.completed", "sequence": 3},
    "attempts": 10,
    "error": "server_error: 500",
    "since": "2026-02-03T04:05:06.000Z",
    "next_attempt_at": None,
    "settled_at": "2026-02-06T04:05:06.000Z",
}
PENDING = DEAD | {"id": "dlv_WzI", "sink": "a", "state": "pending", "event": None, "attempts": 0, "error": None}


def page(*deliveries, cursor=None):
    return 200, {"deliveries": list(deliveries), "cursor": cursor}


def listed(*, state="dead", sink=None, limit=100, as_json=False):
    return command.run(state=state, sink=sink, limit=limit, as_json=as_json, url="", api_key=None)


def test_a_delivery_is_a_line_that_begins_with_its_id(playing, capsys):
    playing(command, page(DEAD, PENDING))
    assert listed() == 0
    assert capsys.readouterr().out.splitlines() == [
        "dlv_WzE dead orders acme/V3-1 completed attempts=10 since=2026-02-03T04:05:06.000Z server_error: 500",
        "dlv_WzI pending a acme/V3-1 - attempts=0 since=2026-02-03T04:05:06.000Z",
    ]


def test_a_person_sees_columns_and_below_each_row_the_whole_id():
    out = Console(file=StringIO(), force_terminal=True, no_color=True, width=40, highlight=False)
    command.show([DEAD, PENDING], out)
    assert [
        line.rstrip() for line in out.file.getvalue().replace("\x1b[2m", "").replace("\x1b[0m", "").splitlines()
    ] == [
        "SINK    JOB        EVENT      ATTEMPTS  OWED SINCE                ERROR",
        "orders  acme/V3-1  completed  10        2026-02-03T04:05:06.000Z  server_error: 500",
        "  dlv_WzE",
        "a       acme/V3-1  -          0         2026-02-03T04:05:06.000Z",
        "  dlv_WzI",
    ]


def test_json_is_what_relay_answers_one_delivery_a_line(playing, capsys):
    playing(command, page(DEAD, PENDING))
    listed(as_json=True)
    assert [orjson.loads(line) for line in capsys.readouterr().out.splitlines()] == [DEAD, PENDING]


def test_pages_are_read_on_until_there_are_enough(playing, capsys):
    relay = playing(command, page(*[DEAD] * 1_000, cursor="c1"), page(*[DEAD] * 500, cursor="c2"))
    listed(limit=1_500, sink="orders", state="pending")
    assert relay.asked == [
        ("GET", "/v1/deliveries", {"state": "pending", "sink": "orders", "limit": 1_000}),
        ("GET", "/v1/deliveries", {"state": "pending", "sink": "orders", "limit": 500, "cursor": "c1"}),
    ]
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1_500
    assert captured.err == "there are more than these 1500; see --limit\n"


@pytest.mark.parametrize(("as_json", "notice"), [(False, "no dead deliveries\n"), (True, "")])
def test_that_there_are_none_is_said_to_people_only(playing, capsys, as_json, notice):
    playing(command, page())
    assert listed(as_json=as_json) == 0
    assert capsys.readouterr() == ("", notice)


def test_what_relay_refuses_is_an_error_in_its_words(playing):
    playing(command, (422, {"code": "invalid_field", "detail": "sink: not known"}))
    with pytest.raises(ConfigError, match="relay refuses: sink: not known"):
        listed(sink="nobody")


def test_nothing_that_comes_from_outside_reaches_the_terminal_as_it_is(playing, capsys):
    playing(command, page(DEAD | {"error": "\x1b[31mred\nline", "sink": "a b"}))
    listed()
    assert "\x1b" not in (out := capsys.readouterr().out)
    assert len(out.splitlines()) == 1
