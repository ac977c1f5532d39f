"""`relay track`: hand jobs to a running relay, and wait for them where that is wanted."""

import asyncio
from collections.abc import Sequence
from functools import partial

from relay.app import process
from relay.app.client import Caller, advising, open_session, patiently
from relay.app.ids import read
from relay.app.terminal import COLOURS, console, say
from relay.app.tracking.client import Client, Tracked
from relay.app.tracking.display import Display
from relay.app.tracking.following import Following
from relay.core.job import Outcome
from relay.errors import ConfigError, RelayError

JOBS_MAX = 1_000  # in one call
BAR_SECONDS, LINE_SECONDS = 1.0, 30.0  # how long a job may go unseen while it runs: with a bar to move, and without


def run(
    *, ids: Sequence[str], account: str | None, wait: bool, timeout: float | None, url: str, api_key: str | None
) -> int:
    """0; 1 where a job that was waited for did not succeed. Raises RelayError."""
    wanted = read(ids)

    async def track() -> int:
        async with open_session(api_key) as session:
            client = Client(Caller(session, url))
            jobs = await _hand_in(client, wanted, account)
            return await _wait(client, jobs, timeout) if wait else _told(jobs)

    return process.run(track())


async def _hand_in(client: Client, ids: Sequence[str], account: str | None) -> list[Tracked]:
    """Raises RelayError, which says what became of those before."""
    tracked: list[Tracked] = []
    for start in range(0, len(ids), JOBS_MAX):
        try:
            with advising():
                tracked += await patiently(partial(client.track, ids[start : start + JOBS_MAX], account))
        except ConfigError as error:
            before = f"\nthe {len(tracked)} jobs before these are tracked" if tracked else ""
            raise ConfigError(f"{error}{before}") from error
    return tracked


def _told(jobs: Sequence[Tracked]) -> int:
    out = console()
    for job in jobs:
        result = "created" if job.created else "exists"
        say(out, (result, COLOURS[result]), f" {job}")
    return 0


async def _wait(client: Client, jobs: Sequence[Tracked], timeout_seconds: float | None) -> int:
    out, notices = console(), console(errors=True)
    every_seconds = BAR_SECONDS if out.is_interactive else LINE_SECONDS
    with Display(jobs, out, notices) as display:
        try:
            async with asyncio.timeout(timeout_seconds):
                await Following(client, display, every_seconds=every_seconds).follow(jobs)
        except TimeoutError:
            left = len(jobs) - display.outcomes.total()
            raise RelayError(
                f"{left} of {len(jobs)} jobs have not ended after {timeout_seconds:g} s; relay goes on watching them"
            ) from None
    if len(jobs) > 1:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in display.outcomes.most_common())
        say(notices, f"{len(jobs)} jobs: {counts}")
    return 0 if display.outcomes[Outcome.SUCCEEDED] == len(jobs) else 1
