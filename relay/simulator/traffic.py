"""A stream of sample jobs as a busy help desk would start them, for the demo."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

_SUBJECTS = ("Printer on fire", "Cannot log in", "Invoice is missing", "Parcel arrived twice", "Reset my password")
_NAMES = ("Ada", "Grace", "Linus", "Margaret", "Barbara", "Edsger", "Radia")


class Sample(NamedTuple):
    """After `delay_seconds`, send `method path` with `body` as JSON (None: without one) to the simulator."""

    delay_seconds: float
    method: str
    path: str
    body: dict[str, Any] | None


def sample_traffic(random: Random) -> Iterator[Sample]:
    """Never ends: a few jobs at once to begin with, then one every few seconds."""
    count = 0
    while True:
        delay_seconds = 0.3 if count < 4 else random.uniform(1.0, 4.0)
        count += 1
        yield random.choice(_SAMPLES)(random, delay_seconds)


def _ids(random: Random) -> str:
    return ",".join(str(random.randrange(1_000, 9_999)) for _ in range(random.randint(2, 80)))


def _create_tickets(random: Random, delay_seconds: float) -> Sample:
    tickets = [{"subject": random.choice(_SUBJECTS)} for _ in range(random.randint(5, 100))]
    return Sample(delay_seconds, "POST", "/api/v2/tickets/create_many.json", {"tickets": tickets})


def _update_tickets(random: Random, delay_seconds: float) -> Sample:
    path = f"/api/v2/tickets/update_many.json?ids={_ids(random)}"
    return Sample(delay_seconds, "PUT", path, {"ticket": {"status": "solved"}})


def _delete_tickets(random: Random, delay_seconds: float) -> Sample:
    return Sample(delay_seconds, "DELETE", f"/api/v2/tickets/destroy_many.json?ids={_ids(random)}", None)


def _create_users(random: Random, delay_seconds: float) -> Sample:
    users = [{"name": random.choice(_NAMES)} for _ in range(random.randint(3, 60))]
    return Sample(delay_seconds, "POST", "/api/v2/users/create_many.json", {"users": users})


_SAMPLES: tuple[Callable[[Random, float], Sample], ...] = (
    _create_tickets,
    _update_tickets,
    _delete_tickets,
    _create_users,
)
