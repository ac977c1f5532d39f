"""A reader's place among the events: how far it has read in each partition of the ledger.

Within a partition the order of events is that of their positions, and every reader is told them in it. Between
partitions there is no order: what is read together is told by the time at which it was detected.
"""

from collections.abc import Mapping, Sequence
from heapq import merge
from typing import NamedTuple

from msgspec import Struct

from relay.core.job import Event, Job
from relay.core.record import EventPage
from relay.errors import CursorExpired

Place = tuple[int, ...]
"""By partition, the position up to which all is read. The embedded ledger has one."""


class Placed(NamedTuple):
    """An event with its job as it stands now. `place`: of a reader who has been told of it."""

    job: Job
    event: Event
    place: Place


class PlacedPage(Struct, frozen=True, kw_only=True, gc=False):
    """Events for one reader. `reached`: its place after them. `more`: whether there is more beyond that already."""

    events: Sequence[Placed]
    reached: Place
    more: bool


def spread(place: Place, partitions: int) -> Place:
    """The place in a ledger of so many partitions. Raises CursorExpired: it is one of another ledger.

    A single position is one of the ledger that this one was made from, each of whose partitions goes on from there.
    """
    if len(place) == partitions:
        return place
    if len(place) != 1:
        raise CursorExpired(f"a place in {len(place)} partitions, where there are {partitions}")
    return place * partitions


def turn(behind: Sequence[int], after: Place, limit: int) -> Sequence[int]:
    """Which partitions to read next of those that hold more; `limit` at most. As places move on, each has its turn."""
    if len(behind) <= limit:
        return behind
    first = sum(after) % len(behind)
    return (*behind[first:], *behind[:first])[:limit]


def merged(after: Place, pages: Mapping[int, EventPage], *, more: bool) -> PlacedPage:
    """What was read beyond that place, by partition. `more`: whether partitions that were not read hold more."""
    if len(pages) == 1:  # as it mostly is, for each of very many readers
        ((partition, page),) = pages.items()
        return _placed(after[:partition], page, after[partition + 1 :], more=more)
    reached = list(after)
    events: list[Placed] = []
    streams = ([(partition, job, event) for job, event in page.events] for partition, page in pages.items())
    for partition, job, event in merge(*streams, key=lambda one: one[2].detected_at):
        reached[partition] = event.position
        events.append(Placed(job, event, tuple(reached)))
    for partition, page in pages.items():
        reached[partition] = page.reached
        more = more or page.more
    return PlacedPage(events=events, reached=tuple(reached), more=more)


def _placed(before: Place, page: EventPage, beyond: Place, *, more: bool) -> PlacedPage:
    """The page of one partition, which stands between those others."""
    return PlacedPage(
        events=[Placed(job, event, (*before, event.position, *beyond)) for job, event in page.events],
        reached=(*before, page.reached, *beyond),
        more=more or page.more,
    )
