"""How jobs come in and are looked up over HTTP: parse, authorise, record, answer. And how accounts stand.

This room decides nothing about jobs. It owns the narrow ports below, through which it sees the rest of relay.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from relay.core.job import Cursor, Job, JobKey, TrackRequest
from relay.core.record import JobView
from relay.core.standing import AccountStanding


class Jobs(Protocol):
    """The owner of the jobs. Every answer is what was committed.

    Any call may raise Unavailable or LedgerError, and any call may be cancelled, because the client went away: what it
    asked for may then happen or not.
    """

    async def track(self, requests: Sequence[TrackRequest]) -> Sequence[bool]:
        """Durable when it returns. In the order given, True: created, False: exists. May raise CallbacksFull, too."""

    async def untrack(self, key: JobKey) -> bool:
        """False: no such job."""

    async def read(self, key: JobKey) -> JobView | None:
        """The newest incarnation; None: no such job."""

    async def wait(self, key: JobKey, seconds: float) -> None:
        """Return when the job has ended, at once if it has or is not known, or when the time is up."""

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]:
        """Newest first, without deleted ones, of these accounts (None: all) and in this state (None: any)."""


class Accounts(Protocol):
    """The owner of the accounts."""

    def standing(self) -> Sequence[AccountStanding]:
        """How each account stands that is configured, or that is not and has live jobs."""


class Observer(Protocol):
    """Who counts. `source`: "http". `result`: "created", "exists" or "refused"."""

    def intake_jobs(self, source: str, result: str, count: int) -> None: ...

    def intake_ack(self, seconds: float) -> None:
        """From the request's head to its jobs being durable."""


class Health(Protocol):
    """What is wrong, one short line each for people; nothing is wrong when there are none."""

    def live(self) -> Sequence[str]:
        """Why the process should be restarted."""

    def ready(self) -> Sequence[str]:
        """Why no requests should be sent here for now."""
