"""From the records that were read to the ledger: what is unreadable is put aside, then all is recorded at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from relay.core.callbacks import CallbacksFull
from relay.core.job import TrackRequest
from relay.intake import Observer
from relay.intake.dead_letters import DeadLetters
from relay.intake.insisting import Insisting
from relay.intake.problems import Code
from relay.intake.records import Rules, Unreadable, read
from relay.kafka.reachability import Log
from relay.kafka.reader import Message

SOURCE = "kafka"
STRANGERS_REMEMBERED_MAX = 1_000


class Tracker(Protocol):
    """The owner of the jobs."""

    async def track(self, requests: Sequence[TrackRequest], marks: Mapping[str, bytes | None]) -> Sequence[bool]:
        """Both are durable when it returns. In the order given, True: created. Raises CallbacksFull or Unavailable."""


class Taking:
    """`rules`: looked at anew for each batch, since accounts come and go."""

    def __init__(self, *, jobs: Tracker, rules: Rules, dead_letters: DeadLetters, observer: Observer, log: Log) -> None:
        self._jobs = jobs
        self._rules = rules
        self._dead_letters = dead_letters
        self._observer = observer
        self._log = log
        self._strangers: set[str] = set()

    async def take(self, messages: Sequence[Message], marks: Mapping[str, bytes | None], insisting: Insisting) -> None:
        """Return when all is recorded, however long that takes. Raises Stopped: none of it is."""
        requests, unreadable = read(messages, self._rules)
        while True:
            await self._bury(unreadable, insisting)
            wanted = [request for _, request in requests]
            try:
                created = await insisting.until_done(partial(self._jobs.track, wanted, marks))
            except CallbacksFull as full:
                requests, unreadable = _without(requests, full)
            else:
                self._count(wanted, created)
                return

    async def _bury(self, unreadable: Sequence[Unreadable], insisting: Insisting) -> None:
        if unreadable:
            await insisting.until_done(partial(self._dead_letters.bury, unreadable))
            self._observer.intake_jobs(SOURCE, "refused", len(unreadable))
            self._log.warning("intake.dead_letters", count=len(unreadable), first=unreadable[0].detail)

    def _count(self, requests: Sequence[TrackRequest], created: Sequence[bool]) -> None:
        new = sum(created)
        for result, count in (("created", new), ("exists", len(created) - new)):
            if count:
                self._observer.intake_jobs(SOURCE, result, count)
        self._warn(Counter(request.account for request in requests if request.account not in self._rules.directory))

    def _warn(self, strangers: Mapping[str, int]) -> None:
        """Of each account that is not configured, once for as long as it is not."""
        self._strangers = {name for name in self._strangers if name not in self._rules.directory}
        for account, jobs in strangers.items():
            if account not in self._strangers and len(self._strangers) < STRANGERS_REMEMBERED_MAX:
                self._log.warning("intake.account_not_configured", account=account, jobs=jobs)
                self._strangers.add(account)


def _without(
    requests: Sequence[tuple[Message, TrackRequest]], full: CallbacksFull
) -> tuple[list[tuple[Message, TrackRequest]], list[Unreadable]]:
    """The requests that can be taken, and the others."""
    refused = set(full.indexes)
    taken = [one for index, one in enumerate(requests) if index not in refused]
    return taken, [Unreadable(requests[index][0], Code.CALLBACK_NOT_ALLOWED, str(full)) for index in full.indexes]
