"""The demo's screen: where to look, the newest jobs, the newest events, the figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from relay.app.demo.board import Board, Row
from relay.app.terminal import COLOURS

ID_SHOWN = 11
JOBS_MAX = 14
JOBS_SHARE = 0.55  # of the lines that jobs and events have
TITLE = "jobs start at a stand-in for Zendesk; relay watches them and tells"
HEADER_LINES, HEADING_LINES, FOOTER_LINES = 5, 2, 3  # each with the blank line around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where to look while it runs. `folder`: configuration, ledger and log."""

    relay: str
    simulator: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Requests to Zendesk: `last_minute` of the `ceiling`."""

    last_minute: int
    ceiling: int


def screen(board: Board, links: Links, spent: Spent, lines: int) -> RenderableType:
    """`lines`: the height of the terminal."""
    room = max(2, lines - HEADER_LINES - 2 * HEADING_LINES - FOOTER_LINES + 1)
    jobs = max(1, min(JOBS_MAX, round(room * JOBS_SHARE)))
    whole = Layout()
    whole.split_column(
        Layout(_header(links), size=HEADER_LINES),
        Layout(_jobs(board.newest(jobs)), size=jobs + HEADING_LINES),
        Layout(_events(list(board.events)[-(room - jobs) :])),
        Layout(_footer(board, spent), size=FOOTER_LINES - 1),
    )
    return whole


def _header(links: Links) -> RenderableType:
    places = _grid((None, None))
    places.add_row(_line(("jobs", f"{links.relay}/v1/jobs")), _line(("API", f"{links.relay}/openapi.json")))
    places.add_row(_line(("metrics", f"{links.relay}/metrics")), "")
    # The folder comes last, so that a long path cuts nothing but itself.
    return Group(
        Text.assemble(("relay demo", "bold"), f"  {TITLE}", no_wrap=True, overflow="ellipsis"),
        places,
        _line(("truth", f"{links.simulator}/simulator/truth"), ("files", links.folder)),
    )


def _line(*places: tuple[str, str]) -> Text:
    """Names and where to find them, on one line."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for index, (name, where) in enumerate(places):
        line.append("  " if index else "").append(f"{name} ", style="dim").append(where)
    return line


def _jobs(rows: Iterable[Row]) -> RenderableType:
    table = _grid((ID_SHOWN, 18, 16, None, 17), flexible=3)
    table.add_row(*(Text(heading, style="dim") for heading in ("job", "what", "state", "progress", "items")))
    for row in rows:
        word = row.outcome or row.state
        state = Text(word.replace("_", " "), style=COLOURS.get(word, ""))
        table.add_row(row.id[:ID_SHOWN], row.kind, state, _bar(row), _items(row))
    return table


def _bar(row: Row) -> ProgressBar:
    total = row.total or 1
    done = total if row.outcome else min(row.progress or 0, total)
    colour = COLOURS.get(row.outcome or "", "cyan")
    return ProgressBar(total=total, completed=done, complete_style=colour, finished_style=colour)


def _items(row: Row) -> str:
    if row.succeeded is not None and row.failed is not None:
        return f"{row.succeeded} ok, {row.failed} failed" if row.failed else f"{row.succeeded} ok"
    return "" if row.total is None else f"{row.progress or 0} of {row.total}"


def _events(events: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _grid((8, 10, ID_SHOWN, None), flexible=3)
    table.add_row(
        *(Text(heading, style="dim") for heading in ("event", "", "job", "as the receiver of a webhook gets it"))
    )
    for event in events:
        data = event["data"]
        style = COLOURS.get(data["outcome"] or "", "")
        kind = event["type"].rpartition(".")[2]
        table.add_row(
            event["time"][11:19], Text(kind, style=style), data["job_id"][:ID_SHOWN], Text(_told(data), style)
        )
    return table


def _told(data: Mapping[str, Any]) -> str:
    items, status = data["items"], data["job_status"] or {}
    if data["outcome"] is None:
        done = f"{status.get('progress') or 0} of {items['total']}" if items["total"] else ""
        return ", ".join(filter(None, (done, status.get("message"))))
    counts = f": {items['succeeded']} ok, {items['failed']} failed" if items["failed"] is not None else ""
    return f"{data['outcome'].replace('_', ' ')}{counts}"


def _footer(board: Board, spent: Spent) -> RenderableType:
    outcomes = "".join(f", {count} {outcome.replace('_', ' ')}" for outcome, count in board.outcomes.most_common())
    figures = f"{board.tracked} jobs: {board.running} running{outcomes}; {board.delivered} events delivered"
    asked = f"{spent.last_minute} requests to Zendesk in the last minute, of {spent.ceiling}"
    return Group(
        Text(figures, style="bold", no_wrap=True, overflow="ellipsis"),
        Text.assemble(asked, ("   Ctrl-C ends it", "bold"), no_wrap=True, overflow="ellipsis"),
    )


def _grid(widths: Sequence[int | None], flexible: int | None = None) -> Table:
    """A table without lines, a row of it never more than one line. `flexible`: the column that takes what is left."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=flexible is not None)
    for index, width in enumerate(widths):
        table.add_column(width=width, no_wrap=True, overflow="ellipsis", ratio=1 if index == flexible else None)
    return table
