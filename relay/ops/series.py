"""Series of which there are very many, such as those by account, in the Prometheus text format (version 0.0.4).

The client library would make a page of them in one go, and take ten times as long for a line: with 10,000 accounts the
event loop would stand still for seconds at every scrape.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice

LINES_AT_ONCE = 1_000  # a few milliseconds

Key = tuple[str, ...]
"""The values of a series' labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A metric: its name, what `kind` it is of, what it tells, and the names of its labels."""

    name: str
    kind: str
    text: str
    labels: Key = ()

    def lines(self, values: Iterable[tuple[Key, float]]) -> Iterator[str]:
        """Of a gauge or a counter."""
        yield self._head()
        for key, value in values:
            yield _line(self.name, _labelled(self.labels, key), value)

    def histogram_lines(self, values: Iterable[tuple[Key, "Distribution"]]) -> Iterator[str]:
        yield self._head()
        for key, distribution in values:
            labels = _labelled(self.labels, key)
            for bound, count in distribution.cumulative():
                yield _line(f"{self.name}_bucket", [*labels, f'le="{bound}"'], count)
            yield _line(f"{self.name}_count", labels, distribution.count)
            yield _line(f"{self.name}_sum", labels, distribution.sum)

    def _head(self) -> str:
        return f"# HELP {self.name} {self.text}\n# TYPE {self.name} {self.kind}\n"


class Distribution:
    """One series of a histogram. `bounds`: of its buckets, ascending, without the last, which is infinite."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += count
        self.sum += value * count

    def observe_all(self, values: Collection[float]) -> None:
        counts, bounds = self._counts, self._bounds
        if not values:
            return
        lowest = bisect_left(bounds, min(values))
        if lowest == bisect_left(bounds, max(values)):  # as mostly, where they are told together
            counts[lowest] += len(values)
        else:
            for value in values:
                counts[bisect_left(bounds, value)] += 1
        self.sum += sum(values)

    @property
    def count(self) -> int:
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """For each bucket its upper bound, and how many values are not above it."""
        return zip((*map(repr, map(float, self._bounds)), "+Inf"), accumulate(self._counts), strict=True)


async def written(lines: Iterator[str]) -> bytes:
    """The lines as one text. After every few of them, whoever else waits for the event loop has a turn."""
    parts: list[bytes] = []
    while part := "".join(islice(lines, LINES_AT_ONCE)):
        parts.append(part.encode())
        await asyncio.sleep(0)
    return b"".join(parts)


def _line(name: str, labels: Iterable[str], value: float) -> str:
    joined = ",".join(labels)
    return f"{name}{{{joined}}} {value!r}\n" if joined else f"{name} {value!r}\n"


def _labelled(names: Key, values: Key) -> list[str]:
    return [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
