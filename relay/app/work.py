"""What the rest of the process sees of the work behind the API, whether one shard does it all or many share it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from relay.config import Config
from relay.core.standing import Standing
from relay.intake import Accounts, Backups, Events, Jobs, Sinks
from relay.intake.access import Access
from relay.kafka.publisher import Publisher
from relay.ops.clock import SystemClock
from relay.ops.health import Health
from relay.ops.metrics import Metrics
from relay.shard.ports import Account, Log, Polling, Subscriber
from relay.sinks.callbacks import CallbackSinks


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What work is built from. `session`: to reach accounts by. `publisher`: None where Kafka is not configured."""

    config: Config
    clock: SystemClock
    health: Health
    metrics: Metrics
    log: Log
    session: aiohttp.ClientSession
    publisher: Publisher | None
    subscribers: Sequence[Subscriber]
    access: Access
    callbacks: CallbackSinks


class Work(Protocol):
    """`load` it, then `run` it until it is drained."""

    @property
    def jobs(self) -> Jobs: ...

    @property
    def events(self) -> Events: ...

    @property
    def sinks(self) -> Sinks: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def backups(self) -> Backups | None: ...

    async def load(self) -> int:
        """Return when requests can be answered; how many jobs live. Raises LedgerError."""

    async def run(self) -> None:
        """Returns after `drain`; raises what a loop raised, which is a bug."""

    async def drain(self) -> None:
        """Take nothing new, and record what was taken. Bounded, idempotent, safe before `run`."""

    async def configure(self, accounts: Sequence[Account], removed: Collection[str], polling: Polling) -> None:
        """See Shard.configure."""

    async def standing(self) -> Standing:
        """How all stands, for the metrics; while the ledger is out of order without what only the ledger knows."""
