"""`relay demo`: a stand-in for Zendesk, relay and a stream of sample jobs in one terminal; nothing to configure."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.live import Live

from relay.app import process
from relay.app.demo.board import Board
from relay.app.demo.screen import Links, Spent, screen
from relay.app.demo.stage import CEILING, Stage, stage
from relay.app.demo.traffic import play
from relay.app.event_line import event_line
from relay.app.terminal import console, say

REFRESH_SECONDS = 0.2
MINUTE = 60.0


def run(*, seconds: float | None, seed: int) -> int:
    """`seconds`: how long it goes on; None: until a signal."""
    with TemporaryDirectory(prefix="relay-demo-") as folder:
        process.run_until_signal(_demo(Path(folder), seconds, seed))
    return 0


async def _demo(folder: Path, seconds: float | None, seed: int) -> None:
    stop = process.stop_signal()
    board, out = Board(), console()
    notices = out if out.is_interactive else console(errors=True)

    def on_event(event: Mapping[str, Any]) -> None:
        board.received(event, time.monotonic())
        if not out.is_interactive:
            say(out, event_line(event))

    with (folder / "relay.log").open("w", encoding="utf-8") as log_file:
        async with stage(seed=seed, folder=folder, log_file=log_file, on_event=on_event) as scene:
            links = Links(relay=scene.relay_url, simulator=scene.simulator_url, folder=str(folder))
            acts = [stop.wait(), play(scene, board, Random(seed))]  # noqa: S311 - sample jobs
            if out.is_interactive:
                acts.append(_paint(scene, board, links, out))
            else:
                say(notices, f"relay demo: relay is at {links.relay}, the stand-in for Zendesk at {links.simulator}")
            await _until_one_ends(acts, scene.service.failure, seconds)
    say(notices, summary(board, scene.asked(), time.monotonic()))


async def _until_one_ends(
    acts: Sequence[Coroutine[Any, Any, Any]], failure: asyncio.Task[None], seconds: float | None
) -> None:
    """Or until the time is up. Raises what one of them, or the service, raised."""
    tasks = [asyncio.ensure_future(act) for act in acts]
    try:
        done, _ = await asyncio.wait([*tasks, failure], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


async def _paint(scene: Stage, board: Board, links: Links, out: Console) -> None:
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            spent = Spent(last_minute=scene.asked(since=time.time() - MINUTE), ceiling=CEILING)
            live.update(screen(board, links, spent, out.height), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)


def summary(board: Board, asked: int, now: float) -> str:
    """What to remember of it. `asked`: requests for job statuses. `now`: as the board was told the time."""
    outcomes = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in board.outcomes.most_common())
    return (
        f"{board.tracked} jobs tracked, {board.delivered} events delivered\n"
        f"{outcomes or 'none has ended yet'}, {board.running} still running\n"
        f"{asked} requests to Zendesk; each job by itself, once a second: {board.watched_seconds(now):.0f}"
    )
