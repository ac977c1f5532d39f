"""Looking at many jobs until each has ended, through restarts of the relay that watches them."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from relay.app.client import BusyError, NotReachedError
from relay.app.tracking.client import Client, NotTrackedError, Tracked

LOOKS_MAX = 64  # at once
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.5, 5.0


class Spectator(Protocol):
    """Whoever shows what is going on."""

    def seen(self, job: Tracked, view: Mapping[str, Any]) -> None:
        """The job as relay shows it."""

    def vanished(self, job: Tracked) -> None:
        """Relay does not know the job any more; nobody will see it end."""

    def interrupted(self, why: str) -> None:
        """Relay does not answer; it is tried again until it does."""

    def resumed(self) -> None: ...


class Following:
    """`every_seconds`: how long a job may go unseen while it runs; it is seen at once when it ends."""

    def __init__(self, client: Client, spectator: Spectator, *, every_seconds: float) -> None:
        self._client = client
        self._spectator = spectator
        self._every_seconds = every_seconds
        self._waiting: deque[Tracked] = deque()
        self._running = 0
        self._interrupted = False

    async def follow(self, jobs: Sequence[Tracked]) -> None:
        """Returns when all have ended. Raises ConfigError: relay turned us away."""
        self._waiting.extend(jobs)
        self._running = len(jobs)
        looking = [asyncio.ensure_future(self._look_on()) for _ in range(min(LOOKS_MAX, len(jobs)))]
        try:
            await asyncio.gather(*looking)
        finally:
            for task in looking:
                task.cancel()

    async def _look_on(self) -> None:
        # Whoever looks at a job puts it back, so nobody is missing while jobs wait.
        while self._waiting:
            job = self._waiting.popleft()
            if await self._ended(job):
                self._running -= 1
            else:
                self._waiting.append(job)

    async def _ended(self, job: Tracked) -> bool:
        # Where there are more jobs than looks at once, each look is shorter, so that all get their turn in time.
        wait_seconds = self._every_seconds * min(1.0, LOOKS_MAX / self._running)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            view = await self._look(job, wait_seconds)
        except NotTrackedError:
            self._spectator.vanished(job)
            return True
        self._spectator.seen(job, view)
        if not view["terminal"]:
            # A relay with too many callers answers at once; it shall not be asked the faster for it.
            await asyncio.sleep(max(0.0, began + wait_seconds - loop.time()))
        return bool(view["terminal"])

    async def _look(self, job: Tracked, wait_seconds: float) -> Mapping[str, Any]:
        retry_seconds = RETRY_SECONDS_MIN
        while True:
            try:
                view = await self._client.look(job, wait_seconds)
            except (NotReachedError, BusyError) as error:
                if not self._interrupted:
                    self._interrupted = True
                    self._spectator.interrupted(str(error))
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(2 * retry_seconds, RETRY_SECONDS_MAX)
                continue
            if self._interrupted:
                self._interrupted = False
                self._spectator.resumed()
            return view
