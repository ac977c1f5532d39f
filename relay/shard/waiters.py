"""Those who wait for the end of a job."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from relay.core.job import Job, JobKey


class Waiters:
    """By job, whoever owns it: it only has to be told of what is recorded."""

    def __init__(self) -> None:
        self._waiting: dict[JobKey, set[asyncio.Future[None]]] = {}

    async def wait(self, key: JobKey, seconds: float, ended: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Return when the job has ended, everybody is released, or the time is up.

        `ended`: whether there is nothing to wait for; asked when nothing can be missed any more.
        """
        with self._listening(key) as told:
            try:
                async with asyncio.timeout(seconds):
                    if ended is None or not await ended():
                        await told
            except TimeoutError:
                pass

    @contextmanager
    def _listening(self, key: JobKey) -> Iterator[asyncio.Future[None]]:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        listeners = self._waiting.setdefault(key, set())
        listeners.add(told)
        try:
            yield told
        finally:
            listeners.discard(told)
            if not listeners and self._waiting.get(key) is listeners:
                del self._waiting[key]

    def tell(self, jobs: Iterable[Job]) -> None:
        """These rows have been recorded."""
        if self._waiting:
            for job in jobs:
                if job.terminal:
                    self._end(self._waiting.get(job.key, ()))

    def release(self) -> None:
        """Everybody: what they wait for may be long in coming. Whoever waits from now on does."""
        for listeners in self._waiting.values():
            self._end(listeners)

    @staticmethod
    def _end(listeners: Iterable[asyncio.Future[None]]) -> None:
        for told in listeners:
            if not told.done():
                told.set_result(None)
