"""Offsets that are shown to others: a failure is told once and hurts nobody."""

from types import SimpleNamespace

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, UnknownMemberIdError

from relay.kafka.group import Mirror


class Lines(list):
    def warning(self, event, /, **fields):
        self.append((event, fields["error"]))


class Coordinator:
    """`codes`: what it answers, one after another; then it has no objections."""

    def __init__(self):
        self.codes = []
        self.commits = []
        self.closed = 0

    def connected(self):
        return True

    async def close(self):
        self.closed += 1

    async def send(self, request):
        if not hasattr(request, "_topics"):  # who is the coordinator?
            return SimpleNamespace(error_code=0, host="127.0.0.1", port=9092)
        code = self.codes.pop(0) if self.codes else 0
        [(topic, partitions)] = request._topics
        if not code:
            self.commits.append({partition: offset for partition, offset, _ in partitions})
        return SimpleNamespace(topics=[(topic, [(partition, code) for partition, *_ in partitions])])


class Connection:
    def __init__(self, coordinator):
        self._coordinator = coordinator

    def connected(self):
        return self

    async def connect(self, *_):
        return self._coordinator

    async def __aenter__(self):
        return self._coordinator

    async def __aexit__(self, *_):
        return None


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def coordinator():
    return Coordinator()


@pytest.fixture
def mirror(coordinator, lines):
    return Mirror(Connection(coordinator), group="relay", topic="intake", log=lines)


async def test_what_has_not_changed_is_not_shown_again(mirror, coordinator):
    for offsets in ({0: 1}, {0: 1}, {0: 2, 1: 5}):
        await mirror.show(offsets)
    assert coordinator.commits == [{0: 1}, {0: 2, 1: 5}]


@pytest.mark.parametrize("error", [GroupAuthorizationFailedError, UnknownMemberIdError])
async def test_where_it_may_not_be_shown_that_is_told_once_and_tried_again(mirror, coordinator, lines, error):
    coordinator.codes = [error.errno, error.errno]
    for offset in range(3):
        await mirror.show({0: offset})
    assert [event for event, _ in lines] == ["intake.offsets_not_shown"]
    assert coordinator.commits == [{0: 2}]
    assert coordinator.closed == 2


async def test_what_passes_by_itself_is_not_told(mirror, coordinator, lines):
    """A group's first commit, for one, comes before the broker has made its own topic for it."""
    coordinator.codes = [GroupCoordinatorNotAvailableError.errno]
    await mirror.show({0: 1})
    await mirror.show({0: 1})
    assert (coordinator.commits, lines) == ([{0: 1}], [])


async def test_to_close_twice_is_fine(mirror):
    await mirror.show({0: 1})
    await mirror.close()
    await mirror.close()
