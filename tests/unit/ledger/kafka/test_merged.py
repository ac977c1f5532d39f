"""The images of all partitions answer together as one ledger of everything does."""

from random import Random

import pytest

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import DELETED, Cursor, Job, JobKey
from relay.core.record import Batch, DeliveryFilter
from relay.errors import LedgerError
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.merged import Merged
from relay.ledger.kafka.partitioning import partition_of
from relay.ledger.kafka.reading import from_records
from relay.ledger.sqlite import SqliteLedger

PARTITIONS = 3
ACCOUNTS = ("acme", "bolt", "crate", "dune")
SINKS = ("orders", "audit")
STATES = ("working", "completed", DELETED)


@pytest.fixture
async def images(tmp_path):
    made = [
        Image(tmp_path / f"{number}.db", source=f"t/{number}", tombstones_kept_seconds=100.0, now=lambda: 1.0)
        for number in range(PARTITIONS)
    ]
    for image in made:
        await image.open()
    yield made
    for image in made:
        await image.close()


@pytest.fixture
async def whole(tmp_path):
    ledger = SqliteLedger(tmp_path / "whole.db")
    await ledger.open()
    yield ledger
    await ledger.close()


@pytest.fixture
async def merged(images, whole):
    """Of images that hold together what the whole ledger does."""
    jobs = [drawn(Random(number), number) for number in range(60)]
    deliveries = [owed for number, job in enumerate(jobs) for owed in owed_for(Random(number), job)]
    await whole.commit(Batch(jobs=jobs, deliveries=deliveries))
    for number, image in enumerate(images):
        own = Batch(
            jobs=[job for job in jobs if partition_of(job.account, PARTITIONS) == number],
            deliveries=[owed for owed in deliveries if partition_of(owed.account, PARTITIONS) == number],
            marks={"m": b"%d" % number},
        )
        await image.apply(from_records(image.records_of(await image.changes_of(own))), 1, at_end=True)
        await image.settle()
    return Merged(images)


def drawn(random, number):
    """Some are further incarnations of others; many are of the same moment."""
    return Job(
        account=random.choice(ACCOUNTS),
        id=str(number % 40),
        tracked_at=float(random.randrange(100, 110)),
        state=random.choice(STATES),
    )


def owed_for(random, job):
    for sink in SINKS:
        yield Delivery(
            account=job.account,
            job_id=job.id,
            tracked_at=job.tracked_at,
            sink=sink,
            sequence=1,
            since=random.uniform(1, 9),
            due_at=1.0,
            state=random.choice(list(DeliveryState)),
        )


def test_the_accounts_are_spread_over_partitions():
    assert len({partition_of(account, PARTITIONS) for account in ACCOUNTS}) > 1


@pytest.mark.parametrize("accounts", [None, ACCOUNTS[:1], ACCOUNTS[1:], ()])
@pytest.mark.parametrize("state", [None, "working"])
async def test_pages_of_jobs_follow_one_another_in_order(merged, whole, accounts, state):
    found, after = [], None
    while page := await merged.page(accounts=accounts, state=state, after=after, limit=7):
        assert len(page) <= 7
        found += page
        after = Cursor(tracked_at=page[-1].tracked_at, account=page[-1].account, id=page[-1].id)
    assert found == await whole.page(accounts=accounts, state=state, after=None, limit=1000)


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.DEAD])
async def test_pages_of_deliveries_follow_one_another_in_order(merged, whole, state):
    wanted = DeliveryFilter(state=state)
    found, after = [], None
    while page := await merged.deliveries(wanted, after, 7):
        assert len(page) <= 7
        found += page
        after = page[-1][0].key
    assert found == await whole.deliveries(wanted, None, 1000)
    assert found


async def test_a_job_and_its_deliveries_are_found_wherever_they_are(merged, whole):
    keys = [JobKey(account, str(number)) for account in ACCOUNTS for number in range(50)]
    found = await merged.find(keys)
    assert found == await whole.find(keys)
    for job in found.values():
        deliveries = await merged.deliveries_of(job)
        assert deliveries == await whole.deliveries_of(job)
        for owed in deliveries:
            assert await merged.delivery(owed.key) == (owed, job)


async def test_what_is_owed_is_counted_over_all(merged, whole):
    assert await merged.backlog() == await whole.backlog()


async def test_jobs_that_live_are_counted_by_account(merged, whole):
    found = dict.fromkeys(ACCOUNTS, 0)
    for job, _ in await whole.live(None, 1000):
        found[job.account] += 1
    assert await merged.live_jobs() == {account: count for account, count in found.items() if count}
    assert any(found.values())


async def test_marks_are_told_by_partition_and_sizes_together(merged, images):
    marks = await merged.marks()
    assert marks == {number: {"m": b"%d" % number} for number in range(PARTITIONS)}
    assert {number: await merged.marks_of(number) for number in marks} == marks
    assert await merged.size_bytes() == sum([await image.rows.size_bytes() for image in images])


async def test_nothing_is_told_of_an_image_that_was_not_read_to_its_end(merged, images):
    """What is recorded must not seem unknown; other accounts are answered for."""
    behind = partition_of(ACCOUNTS[0], PARTITIONS)
    await images[behind].start_over()
    for call in (merged.find([JobKey(ACCOUNTS[0], "1")]), merged.backlog(), merged.marks(), merged.marks_of(behind)):
        with pytest.raises(LedgerError, match=f"partition {behind} of the ledger has not been read to its end yet"):
            await call
    other = next(account for account in ACCOUNTS if partition_of(account, PARTITIONS) != behind)
    assert await merged.page(accounts=[other], state=None, after=None, limit=5)
