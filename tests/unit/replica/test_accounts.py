"""The accounts on a replica: what its shards tell, and of the others what is known here."""

import pytest

from relay.core.standing import AccountStanding
from relay.errors import Reason
from relay.ledger.kafka.partitioning import partition_of
from relay.replica.accounts import Accounts

PARTITIONS = 2
NAMES = [f"account-{number}" for number in range(20)]
HERE = [name for name in NAMES if partition_of(name, PARTITIONS) == 0]
ELSEWHERE = [name for name in NAMES if partition_of(name, PARTITIONS) == 1]


class Own:
    """A shard that knows of every account that is configured, whoever owns it."""

    async def standing(self):
        return [AccountStanding(name=name, live_jobs=7, limit=400, ceiling_per_minute=60.0) for name in NAMES]


class Census:
    async def live_jobs(self):
        return dict.fromkeys([HERE[0], ELSEWHERE[0], "stranger"], 3)


@pytest.fixture
def owned():
    return {0: Own()}


@pytest.fixture
def accounts(owned):
    return Accounts(
        shards=lambda: owned, census=Census(), ceilings=lambda: dict.fromkeys(NAMES, 60.0), partitions=PARTITIONS
    )


async def test_each_account_is_told_once_by_its_shard_here_or_by_what_the_images_show(accounts):
    told = {one.name: one for one in await accounts.standing()}
    assert told.keys() == {*NAMES, "stranger"}
    assert len(await accounts.standing()) == len(told)
    assert told[HERE[0]] == AccountStanding(name=HERE[0], live_jobs=7, limit=400, ceiling_per_minute=60.0)
    for name, jobs in ((ELSEWHERE[0], 3), (ELSEWHERE[1], 0)):
        assert told[name] == AccountStanding(name=name, live_jobs=jobs, ceiling_per_minute=60.0, elsewhere=True)


async def test_one_that_is_not_configured_is_told_where_it_has_jobs(accounts):
    told = {one.name: one for one in await accounts.standing()}
    assert (told["stranger"].live_jobs, told["stranger"].trouble) == (3, Reason.ACCOUNT_NOT_CONFIGURED)


async def test_metrics_tell_of_the_shards_here_alone(accounts, owned):
    assert [one.name for one in await accounts.own_standing()] == HERE
    owned.clear()
    assert await accounts.own_standing() == []
