"""A follower outlives what goes by, says it once, and ends with what does not. Its tail is a script; so is time."""

import asyncio

import pytest

from relay.errors import LedgerError, Reason
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import OutOfRange
from relay.ledger.kafka import follow
from relay.ledger.kafka.follow import PAUSE_SECONDS_MAX, Follower, Outages
from relay.ledger.kafka.tail import Illegible

AWAY = KafkaFailure(Reason.CONNECT, "connection refused")
GOES_ON = "goes on"


class Log:
    def __init__(self):
        self.events = []

    def info(self, event, /, **fields):
        self.events.append((event, fields))

    warning = error = info

    @property
    def names(self):
        return [name for name, _ in self.events]


class Image:
    def __init__(self):
        self.begun = 0

    async def open(self):
        """It is open."""

    async def start_over(self):
        self.begun += 1


class Partition:
    number = 3


class Over(Exception):  # noqa: N818 - ends a test
    pass


class Tail:
    """Each attempt does the next of these: it raises, maybe after it went on for a while."""

    def __init__(self, *attempts):
        self._attempts = iter(attempts)

    async def follow(self, going_on):
        for step in next(self._attempts, (Over(),)):
            if step is GOES_ON:
                going_on()
            else:
                raise step


@pytest.fixture
def pauses(monkeypatch):
    made = []

    async def sleep(seconds):
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


async def run(*attempts, monkeypatch, log, image, error=Over):
    monkeypatch.setattr(follow, "Tail", lambda *_: Tail(*attempts))
    with pytest.raises(error):
        await Follower(Partition(), image, Outages(log)).run()


async def test_an_outage_is_told_once_and_waited_for_longer_and_longer(monkeypatch, pauses):
    log = Log()
    await run(*[(AWAY,)] * 7, (GOES_ON, AWAY), monkeypatch=monkeypatch, log=log, image=Image())
    assert pauses == [0.5, 1, 2, 4, 8, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MAX, 0.5]
    assert log.names == ["ledger.not_followed", "ledger.followed", "ledger.not_followed"]
    assert log.events[0][1] == {
        "partition": 3,
        "error": "connect: connection refused",
        "advice": "start the broker, or check kafka.bootstrap_servers",
    }


async def test_a_disk_that_is_full_is_an_outage_too(monkeypatch, pauses):
    log = Log()
    await run((LedgerError("the disk is full"),), monkeypatch=monkeypatch, log=log, image=Image())
    assert log.events == [("ledger.not_followed", {"partition": 3, "error": "the disk is full", "advice": None})]


async def test_an_image_of_a_log_that_is_gone_begins_anew(monkeypatch, pauses):
    image = Image()
    await run((GOES_ON, OutOfRange({3: 7})), (GOES_ON, AWAY), monkeypatch=monkeypatch, log=Log(), image=image)
    assert image.begun == 1


async def test_what_a_newer_relay_wrote_ends_it(monkeypatch, pauses):
    attempts = (GOES_ON, Illegible("a job row of version 99"))
    await run(attempts, monkeypatch=monkeypatch, log=Log(), image=Image(), error=Illegible)


def test_several_partitions_are_one_outage():
    log = Log()
    outages = Outages(log)
    outages.ended(1)
    for partition in (1, 2, 1):
        outages.began(partition, AWAY)
    outages.ended(1)
    outages.began(1, AWAY)
    outages.ended(2)
    assert log.names == ["ledger.not_followed"]
    outages.ended(1)
    assert log.names == ["ledger.not_followed", "ledger.followed"]
