"""What a person sees of the jobs that are waited for: bars while they run, a line for each when it has ended."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from relay.app.terminal import COLOURS, say
from relay.app.tracking.client import Tracked
from relay.core.job import Outcome
from relay.core.results import entry_failed
from relay.core.webhook import excerpt

CAUSES_SHOWN_MAX = 10
ITEMS_SHOWN_MAX = 5
LINES_BESIDE_BARS = 4


def outcome_lines(job: Tracked, view: Mapping[str, Any]) -> Iterator[str]:
    """What became of a job: its outcome first, then why items failed."""
    status = view["job_status"] or {}
    state = [] if view["state"] == "completed" else [f"state={excerpt(view['state'])}"]
    counts = [f"{key}={view['items'][key]}" for key in ("succeeded", "failed") if view["items"][key] is not None]
    yield " ".join([view["outcome"] or Outcome.UNKNOWN, str(job), *state, *counts])
    results = status.get("results")
    failed = [entry for entry in results if entry_failed(entry)] if isinstance(results, list) else []
    yield from _failures(failed)
    if not failed and view["outcome"] == Outcome.FAILED and status.get("message"):
        yield f"  {excerpt(status['message'])}"


def _failures(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line per cause, with the items that have it."""
    causes: dict[str, list[str]] = {}
    for entry in entries:
        told = [entry[key] for key in ("error", "errors", "details") if entry.get(key)]
        cause = excerpt(": ".join(map(str, told)) or "it does not say why")
        causes.setdefault(cause, []).append(_item(entry))
    for cause, items in list(causes.items())[:CAUSES_SHOWN_MAX]:
        more = f" and {len(items) - ITEMS_SHOWN_MAX} more" if len(items) > ITEMS_SHOWN_MAX else ""
        yield f"  {cause} (item {', '.join(items[:ITEMS_SHOWN_MAX])}{more})"
    if len(causes) > CAUSES_SHOWN_MAX:
        yield f"  and {len(causes) - CAUSES_SHOWN_MAX} more causes"


def _item(entry: Mapping[str, Any]) -> str:
    """By its place in the request, from 0, and by its id where it has one."""
    index, item_id = entry.get("index"), entry.get("id")
    name = excerpt(f"{'' if index is None else index}{'' if item_id is None else f' id {item_id}'}")
    return name or "?"


class Display:
    """A `Spectator` at a terminal, or writing plain lines where there is none. Use it as a context."""

    def __init__(self, jobs: Sequence[Tracked], out: Console, notices: Console) -> None:
        self.outcomes: Counter[str] = Counter()
        self._out = out
        self._notices = notices
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}", style="dim"),
            console=out,
            auto_refresh=False,
            transient=True,
            expand=True,
            disable=not out.is_interactive,
        )
        self._whole = self._progress.add_task("all jobs", total=len(jobs), state="ended", visible=len(jobs) > 1)
        self._bars: dict[Tracked, TaskID] = {}
        self._waiting = dict.fromkeys(jobs)

    def __enter__(self) -> Self:
        self._progress.start()
        self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def seen(self, job: Tracked, view: Mapping[str, Any]) -> None:
        if view["terminal"]:
            self._end(job, view["outcome"] or Outcome.UNKNOWN, list(outcome_lines(job, view)))
            return
        status = view["job_status"] or {}
        if job in self._bars:
            total, done = status.get("total"), status.get("progress")
            self._progress.update(self._bars[job], total=total, completed=done or 0, state=excerpt(view["state"]))
            self._progress.refresh()

    def vanished(self, job: Tracked) -> None:
        self._end(job, Outcome.UNKNOWN, [f"{Outcome.UNKNOWN} {job} is not tracked any more"])

    def interrupted(self, why: str) -> None:
        say(self._notices, f"{why}; trying again until it does")

    def resumed(self) -> None:
        say(self._notices, "relay answers again")

    def _end(self, job: Tracked, outcome: str, lines: Sequence[str]) -> None:
        self.outcomes[outcome] += 1
        first, *details = lines
        say(self._out, (outcome, COLOURS[outcome]), first.removeprefix(outcome))
        for line in details:
            say(self._out, line)
        bar = self._bars.pop(job, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._waiting.pop(job, None)
        self._progress.advance(self._whole)
        self._fill()

    def _fill(self) -> None:
        """As many bars as fit."""
        room = max(1, self._out.height - LINES_BESIDE_BARS)
        while self._waiting and len(self._bars) < room:
            job = next(iter(self._waiting))
            del self._waiting[job]
            self._bars[job] = self._progress.add_task(str(job), total=None, state="")
        self._progress.refresh()
