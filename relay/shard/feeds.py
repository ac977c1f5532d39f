"""The recorded events of all partitions together, for those who read instead of receiving."""

from collections.abc import Sequence

from relay.core.place import Place, PlacedPage, merged, spread, turn
from relay.core.record import EventFilter, EventPage
from relay.shard.bell import Bell
from relay.shard.feed import Feed


class Feeds:
    """`feeds`: by partition; these are shared with nobody else. Any call may raise LedgerError."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds
        self._bell = Bell()
        self._changes = 0
        self._told: tuple[object, PlacedPage] | None = None  # to the last who asked, by what they asked
        for feed in feeds:
            feed.join(len(feeds), self._changed)

    def source(self, account: str) -> str:
        """The CloudEvents source of this account's events."""
        return self._feeds[0].source(account)

    async def newest(self) -> Place:
        """The place of a reader who has read everything."""
        return tuple([await feed.reached() for feed in self._feeds])

    async def place_before(self, moment: float) -> Place:
        """The place after which all lies that was detected since then."""
        return tuple([await feed.position_before(moment) for feed in self._feeds])

    async def page(self, wanted: EventFilter, after: Place | None, limit: int) -> PlacedPage:
        """At most `limit` events beyond that place (None: from the oldest that are kept).

        A page may be empty although there is more. Raises CursorExpired: events beyond that place may be forgotten, or
        it is one of another ledger.
        """
        asked = (after, limit, wanted)
        if self._told is not None and self._told[0] == asked:  # as do all who keep up
            return self._told[1]
        changes = self._changes
        page = await self._page(wanted, after, limit)
        if changes == self._changes:
            self._told = asked, page
        return page

    async def _page(self, wanted: EventFilter, after: Place | None, limit: int) -> PlacedPage:
        start = await self._oldest() if after is None else spread(after, len(self._feeds))
        behind = [n for n, feed in enumerate(self._feeds) if after is None or feed.newest != start[n]]
        chosen = turn(behind, start, limit)
        pages: dict[int, EventPage] = {}
        for n in chosen:
            pages[n] = await self._feeds[n].page(wanted, None if after is None else start[n], limit // len(chosen))
        return merged(start, pages, more=len(chosen) < len(behind))

    async def wait(self, after: Place) -> None:
        """Return when an event beyond that place, which a page has reached, has been recorded."""
        while not self._beyond(after):
            await self._bell.wait()

    def _beyond(self, place: Place) -> bool:
        for feed, position in zip(self._feeds, place, strict=True):
            if feed.newest is not None and feed.newest > position:
                return True
        return False

    def _changed(self) -> None:
        self._changes += 1
        self._told = None
        self._bell.ring()

    async def _oldest(self) -> Place:
        return tuple([await feed.oldest() for feed in self._feeds])
