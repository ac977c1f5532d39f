"""How jobs come in and are looked up over HTTP: parse, authorise, record, answer. What became of them is read here,
too, and what keeps relay running is asked for: how accounts and sinks stand, what was not delivered.

This room decides nothing about jobs. It owns the narrow ports below, through which it sees the rest of relay.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from relay.core.delivery import Attempt, Delivery, DeliveryKey
from relay.core.job import Cursor, Job, JobKey, TrackRequest
from relay.core.place import Place, PlacedPage
from relay.core.record import DeliveryFilter, EventFilter, JobView
from relay.core.standing import AccountStanding, SinkStanding


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


class Events(Protocol):
    """The recorded events, in order. Any call may raise LedgerError."""

    def source(self, account: str) -> str:
        """The CloudEvents source of this account's events."""

    async def newest(self) -> Place:
        """The place of a reader who has read everything."""

    async def place_before(self, moment: float) -> Place:
        """The place after which all lies that was detected since then."""

    async def page(self, wanted: EventFilter, after: Place | None, limit: int) -> PlacedPage:
        """At most `limit` events beyond that place (None: from the oldest kept). May raise CursorExpired."""

    async def wait(self, after: Place) -> None:
        """Return when an event beyond that place, which a page has reached, has been recorded."""


class Sinks(Protocol):
    """Those who receive events, and what they are owed. `name`: of a configured sink, or `callback`.

    Any call may raise Unavailable or LedgerError, and what takes a name UnknownSink.
    """

    async def standing(self) -> Sequence[SinkStanding]: ...

    async def pause(self, name: str) -> None: ...

    async def resume(self, name: str) -> None:
        """Also after the receiver answered 410."""

    async def test(self, name: str) -> Attempt:
        """Send one `relay.test`, and tell how it went."""

    async def recover(self, name: str, since: float, until: float) -> int:
        """Owe again what is dead and became owed in [since, until); how many deliveries."""

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        """A page, the newest jobs first."""

    async def retry(self, key: DeliveryKey) -> bool:
        """Attempt it now, whatever its state. False: no such delivery."""


class Accounts(Protocol):
    """The owner of the accounts."""

    async def standing(self) -> Sequence[AccountStanding]:
        """How each account stands that is configured, or that is not and has live jobs."""


class Backups(Protocol):
    """A ledger that is a file."""

    def copied(self) -> AbstractAsyncContextManager[Path]:
        """A complete copy of it, which goes at the end of the context. May raise LedgerError or Unavailable."""


class Observer(Protocol):
    """Who counts. `source`: "http" or "kafka". `result`: "created", "exists" or "refused"."""

    def intake_jobs(self, source: str, result: str, count: int) -> None: ...

    def intake_ack(self, seconds: float) -> None:
        """From the request's head to its jobs being durable."""


class Health(Protocol):
    """What is wrong, one short line each for people; nothing is wrong when there are none."""

    def live(self) -> Sequence[str]:
        """Why the process should be restarted."""

    def ready(self) -> Sequence[str]:
        """Why no requests should be sent here for now."""
