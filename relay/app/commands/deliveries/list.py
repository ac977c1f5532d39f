"""`relay deliveries list`: for a person to read, a line for each delivery for grep, or JSON for a program."""

from collections.abc import Sequence
from functools import partial

import orjson
from rich.console import Console

from relay.app.client import Answer, Caller, patiently, refusal
from relay.app.commands.deliveries import run_at
from relay.app.event_line import word
from relay.app.terminal import console, say
from relay.core.webhook import excerpt

PAGE_MAX = 1_000
HEADINGS = ("SINK", "JOB", "EVENT", "ATTEMPTS", "OWED SINCE", "ERROR")


def run(*, state: str, sink: str | None, limit: int, as_json: bool, url: str, api_key: str | None) -> int:
    """Raises RelayError."""
    wanted = {"state": state} | ({} if sink is None else {"sink": sink})

    async def act(caller: Caller) -> int:
        found, more = await _fetch(caller, wanted, limit)
        out, notices = console(), console(errors=True)
        if as_json:
            for one in found:
                say(out, orjson.dumps(one).decode())
        else:
            show(found, out)
        if more:
            say(notices, f"there are more than these {limit}; see --limit")
        elif not found and not as_json:
            say(notices, f"no {state} deliveries")
        return 0

    return run_at(url, api_key, act)


async def _fetch(caller: Caller, wanted: dict[str, str], limit: int) -> tuple[Sequence[Answer], bool]:
    """At most so many deliveries, and whether there are more."""
    found: list[Answer] = []
    cursor: dict[str, str] = {}
    while len(found) < limit:
        query: dict[str, str | int] = {**wanted, **cursor, "limit": min(limit - len(found), PAGE_MAX)}
        call = partial(caller.call, "GET", "/v1/deliveries", expects="deliveries", query=query)
        status, answer = await patiently(call)
        if status != 200:
            raise refusal(answer)
        found += answer["deliveries"]
        if answer["cursor"] is None:
            return found, False
        cursor = {"cursor": answer["cursor"]}
    return found, True


def show(deliveries: Sequence[Answer], to: Console) -> None:
    """Columns for a person, each row with the id below it, whole, to be copied; a line for anybody else."""
    if not to.is_terminal:
        for one in deliveries:
            say(to, _line(one))
        return
    rows = [_row(one) for one in deliveries]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    if rows:
        say(to, (_aligned(HEADINGS, widths), "dim"))
    for one, row in zip(deliveries, rows, strict=True):
        say(to, _aligned(row, widths))
        say(to, (f"  {word(one['id'])}", "dim"))


def _row(one: Answer) -> Sequence[str]:
    job = f"{word(one['account'])}/{word(one['job_id'])}"
    kind = word((one["event"] or {}).get("type")).rpartition(".")[2]
    return word(one["sink"]), job, kind, word(one["attempts"]), word(one["since"]), excerpt(one["error"] or "")


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _line(one: Answer) -> str:
    sink, job, kind, attempts, since, error = _row(one)
    return f"{word(one['id'])} {one['state']} {sink} {job} {kind} attempts={attempts} since={since} {error}".rstrip()
