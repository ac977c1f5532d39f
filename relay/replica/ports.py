"""What a replica needs of the parts that it runs, each as narrow as its use, and how they are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from relay.kafka.membership import Changes
from relay.kafka.reachability import Log
from relay.ledger import Ledger

Beat = Callable[[str], None]


class Membership(Protocol):
    """See relay.kafka.membership. `check` raises KafkaFailure."""

    @property
    def session_seconds(self) -> float: ...

    @property
    def confirmed_at(self) -> float: ...

    async def run(self, changes: Changes) -> None: ...

    async def check(self, *partitions: int) -> None: ...

    async def close(self) -> None: ...


class Shard(Protocol):
    """See relay.shard."""

    async def load(self) -> int:
        """How many jobs there are. Raises LedgerError."""

    async def run(self) -> None:
        """Returns after `drain`. Raises LedgerLost; anything else is a bug."""

    async def drain(self) -> None:
        """Bounded, idempotent."""

    def suspend(self) -> None:
        """Idempotent."""

    def resume(self) -> None:
        """Idempotent."""


class Intake(Protocol):
    """See relay.intake.kafka."""

    async def run(self) -> None:
        """Returns after `stop`."""

    async def stop(self) -> None:
        """Bounded, idempotent, safe before `run`."""


S = TypeVar("S", bound=Shard)


class Parts(Protocol[S]):
    """What makes the parts of one partition, anew for each time that it becomes ours. Nothing begins by being made."""

    def ledger(self, partition: int) -> Ledger:
        """To `open` it is to take the partition from whoever has it. Asks the group first, and raises KafkaFailure or
        LedgerError if the partition is not ours.
        """

    def shard(self, partition: int, ledger: Ledger, beat: Beat) -> S:
        """On a ledger that is open. `beat`: under the partition's own names."""

    def intake(self, partition: int, shard: S, marks: Mapping[str, bytes], beat: Beat) -> Intake:
        """Of the records of this partition, for a shard that is loaded. `marks`: all of the ledger's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`beat`: to be called with a loop's name when it has finished an iteration, successful or not; `forget`: when it
    is over.
    """

    monotonic: Callable[[], float]
    beat: Beat
    forget: Beat
    log: Log
