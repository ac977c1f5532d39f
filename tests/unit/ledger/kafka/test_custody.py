"""An image has one who writes to it: its follower gives way to an owner, and goes on after it."""

import asyncio

import pytest

from relay.errors import LedgerUnusable
from relay.ledger.kafka import custody as custodies
from relay.ledger.kafka.custody import Claim, Custody

ROUNDS = 20


class Image:
    def __init__(self):
        self.opened = 0
        self.error = None

    async def open(self):
        if self.error is not None:
            raise self.error
        self.opened += 1

    async def close(self):
        self.opened = 0


class Follower:
    """Says whether it runs; takes its time to end."""

    def __init__(self):
        self.running = False
        self.error = None

    async def run(self):
        self.running = True
        try:
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()
        finally:
            await settled()
            self.running = False


async def settled():
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


@pytest.fixture
def follower():
    return Follower()


@pytest.fixture
async def custody(follower, monkeypatch):
    monkeypatch.setattr(custodies, "Follower", lambda *_: follower)
    made = Custody(None, Image(), None)
    following = asyncio.create_task(made.follow())
    yield made
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_it_is_followed_unless_an_owner_has_it(custody, follower):
    claim = Claim(custody)
    await settled()
    assert follower.running
    for _ in range(2):
        await claim.take()
        assert not follower.running
        await settled()
        assert not follower.running
        await claim.give_back()
        await settled()
        assert follower.running


async def test_calls_may_be_repeated_and_a_claim_that_was_never_made_is_given_back(custody, follower):
    claim = Claim(custody)
    await claim.give_back()
    await claim.take()
    await claim.take()
    await claim.give_back()
    await claim.give_back()
    await settled()
    assert follower.running


async def test_an_owner_finds_the_image_open_or_is_told_why_not(custody, follower):
    """It is closed where its follower could not begin it anew."""
    claim = Claim(custody)
    custody.image.error = LedgerUnusable("the disk is full")
    with pytest.raises(LedgerUnusable):
        await claim.take()
    await claim.give_back()
    await settled()
    assert follower.running
    custody.image.error = None
    await claim.take()
    assert custody.image.opened
    await claim.give_back()


async def test_one_who_gives_up_waiting_lets_it_be_followed(custody, follower):
    first, second = Claim(custody), Claim(custody)
    await first.take()
    waiting = asyncio.create_task(second.take())
    await settled()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await first.give_back()
    await settled()
    assert follower.running


async def test_what_ends_the_follower_for_good_comes_out(follower, monkeypatch):
    monkeypatch.setattr(custodies, "Follower", lambda *_: follower)
    follower.error = LedgerUnusable("a newer relay has been here")
    with pytest.raises(LedgerUnusable, match="newer"):
        await Custody(None, Image(), None).follow()


async def test_closed_it_is_followed_no_more(custody, follower):
    await settled()
    for _ in range(2):
        await custody.close()
        assert not follower.running
        assert not custody.image.opened
    await settled()
    assert not follower.running
