"""From the records that were read to the ledger: what does not belong there is put elsewhere, then all is recorded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from relay.core.callbacks import CallbacksFull
from relay.core.commands import Command
from relay.core.job import TrackRequest
from relay.intake import Observer
from relay.intake.dead_letters import DeadLetters
from relay.intake.forwarding import Forwarding, Misplaced
from relay.intake.insisting import Insisting
from relay.intake.problems import Code
from relay.intake.records import Contents, Rules, Unreadable, Wish, read
from relay.kafka.reachability import Log
from relay.kafka.reader import Message

SOURCE = "kafka"
STRANGERS_REMEMBERED_MAX = 1_000

Marks = Mapping[str, bytes | None]


class Tracker(Protocol):
    """The owner of the jobs. The marks are durable together with what is asked, when a call returns."""

    async def track(self, requests: Sequence[TrackRequest], marks: Marks) -> Sequence[bool]:
        """In the order given, True: created. Raises CallbacksFull or Unavailable."""

    async def execute(self, commands: Sequence[Command], marks: Marks) -> None:
        """One, or several to stop watching a job. Raises Unavailable."""


class Taking:
    """`rules`: looked at anew for each batch, since accounts come and go. `forwarding` None: nothing is misplaced,
    since one process reads all partitions.
    """

    def __init__(
        self,
        *,
        jobs: Tracker,
        rules: Rules,
        dead_letters: DeadLetters,
        observer: Observer,
        log: Log,
        forwarding: Forwarding | None = None,
    ) -> None:
        self._jobs = jobs
        self._rules = rules
        self._dead_letters = dead_letters
        self._observer = observer
        self._log = log
        self._forwarding = forwarding
        self._strangers: set[str] = set()
        self._forwarded = False

    async def take(self, messages: Sequence[Message], marks: Marks, insisting: Insisting) -> None:
        """Return when all is recorded, however long that takes. Raises Stopped: none of it is.

        `messages`: jobs, or commands that may be recorded together.
        """
        contents = await self._sorted(read(messages, self._rules), insisting)
        await self._bury(contents.unreadable, insisting)
        if contents.orders:
            commands = [order.command for order in contents.orders]
            await insisting.until_done(partial(self._jobs.execute, commands, marks))
        else:
            await self._track(contents.wishes, marks, insisting)

    async def _track(self, wishes: Sequence[Wish], marks: Marks, insisting: Insisting) -> None:
        while True:
            wanted = [wish.request for wish in wishes]
            try:
                created = await insisting.until_done(partial(self._jobs.track, wanted, marks))
            except CallbacksFull as full:
                wishes, refused = _without(wishes, full)
                await self._bury(refused, insisting)
            else:
                self._count(wishes, created)
                return

    async def _sorted(self, contents: Contents, insisting: Insisting) -> Contents:
        """What is to be taken here; what is not is sent on."""
        if self._forwarding is None:
            return contents
        contents, misplaced = self._forwarding.sort(contents)
        if misplaced:
            self._tell_of(misplaced)
            refused = await insisting.until_done(partial(self._forwarding.forward, misplaced))
            contents = contents._replace(unreadable=[*contents.unreadable, *refused])
        return contents

    def _tell_of(self, misplaced: Sequence[Misplaced]) -> None:
        """Once: it may go on like this for ever."""
        if not self._forwarded:
            self._forwarded = True
            advice = "use the account as the record's key, and murmur2 as Java's clients do"
            self._log.warning("intake.misplaced", count=len(misplaced), account=misplaced[0].account, advice=advice)

    async def _bury(self, unreadable: Sequence[Unreadable], insisting: Insisting) -> None:
        if unreadable:
            await insisting.until_done(partial(self._dead_letters.bury, unreadable))
            self._observer.intake_jobs(SOURCE, "refused", len(unreadable))
            self._log.warning("intake.dead_letters", count=len(unreadable), first=unreadable[0].detail)

    def _count(self, wishes: Sequence[Wish], created: Sequence[bool]) -> None:
        """What the API has accepted was counted there."""
        results = Counter(new for wish, new in zip(wishes, created, strict=True) if not wish.accepted)
        for new, result in ((True, "created"), (False, "exists")):
            if results[new]:
                self._observer.intake_jobs(SOURCE, result, results[new])
        self._warn(Counter(wish.account for wish in wishes if wish.account not in self._rules.directory))

    def _warn(self, strangers: Mapping[str, int]) -> None:
        """Of each account that is not configured, once for as long as it is not."""
        self._strangers = {name for name in self._strangers if name not in self._rules.directory}
        for account, jobs in strangers.items():
            if account not in self._strangers and len(self._strangers) < STRANGERS_REMEMBERED_MAX:
                self._log.warning("intake.account_not_configured", account=account, jobs=jobs)
                self._strangers.add(account)


def _without(wishes: Sequence[Wish], full: CallbacksFull) -> tuple[list[Wish], list[Unreadable]]:
    """Those that can be taken, and the others."""
    refused = set(full.indexes)
    taken = [wish for index, wish in enumerate(wishes) if index not in refused]
    return taken, [Unreadable(wishes[index].message, Code.CALLBACK_NOT_ALLOWED, str(full)) for index in full.indexes]
