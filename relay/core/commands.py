"""What else than jobs stands in the intake topic: what is asked of whoever owns the jobs, wherever it was asked.

A command is carried out after all that stands before it in its partition. It is recorded together with the place that
follows it, so that a crash repeats none of them. A record says which command it is in the header `HEADER`, and its
value is the command as a JSON object, of which fields that are not known are passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from msgspec import Meta, MsgspecError
from msgspec.json import Decoder, Encoder

from relay.core.delivery import DeliveryKey
from relay.core.job import JobKey
from relay.errors import Undecipherable

HEADER = "relay.command"

SinkName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""As the configuration has them, or `callback`: a name is recorded also where the sink is not configured (yet)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrack:
    """Stop watching this job."""

    account: str
    id: str

    @property
    def key(self) -> JobKey:
        return JobKey(self.account, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Begin no further attempt for this sink. `since`: when it was asked, the same for every partition."""

    sink: SinkName
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on after a pause or a 410."""

    sink: SinkName


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """Owe again what is dead and became owed in [since, until).

    `until`: never later than when it was asked. What is revived counts as owed from then on, so that nothing which has
    died again is revived once more where a command is carried out twice.
    """

    sink: SinkName
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Attempt this delivery now, whatever its state."""

    tracked_at: float
    account: str
    job_id: str
    sink: str

    @property
    def key(self) -> DeliveryKey:
        return DeliveryKey(self.tracked_at, self.account, self.job_id, self.sink)


OfAccount = Untrack | Retry
"""About what one account has: for the partition of that account."""

OfSink = Pause | Resume | Recover
"""About a sink, which every partition owes something: for all of them."""

Command = OfAccount | OfSink

KINDS: Mapping[str, type[Command]] = MappingProxyType(
    {"untrack": Untrack, "pause": Pause, "resume": Resume, "recover": Recover, "retry": Retry}
)
_NAMES = {of: name for name, of in KINDS.items()}
_encoder = Encoder()
_decoders: Mapping[str, Decoder[Command]] = {name: Decoder(of) for name, of in KINDS.items()}


def encode(command: Command) -> tuple[str, bytes]:
    """What the header says, and the value."""
    return _NAMES[type(command)], _encoder.encode(command)


def decode(kind: str, value: bytes) -> Command:
    """What `encode` gave. Raises Undecipherable: no such command, or not its fields."""
    decoder = _decoders.get(kind)
    if decoder is None:
        raise Undecipherable(f"there is no command {kind[:32]!r}; there are: {', '.join(KINDS)}")
    try:
        return decoder.decode(value)
    except (MsgspecError, ValueError) as error:
        raise Undecipherable(f"not the fields of {kind}: {error}") from error
