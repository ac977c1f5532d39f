"""The jobs on a replica that may own none: what is asked for goes to the topic, what is read comes from images."""

import asyncio

import pytest
from msgspec.structs import replace

from relay.core.callbacks import CALLBACKS_MAX, CallbacksFull
from relay.core.job import LOST, Callback, Job, JobKey, TrackRequest
from relay.core.observe import delete, track
from relay.errors import LedgerError, Reason, Unavailable
from relay.kafka.producer import Written
from relay.ledger.kafka.partitioning import partition_of
from relay.replica.asking import Asking
from relay.replica.jobs import Jobs
from relay.shard.waiters import Waiters

PARTITIONS = 3
KEY = JobKey("acme", "a")
HOME = partition_of("acme", PARTITIONS)


class Images:
    """What the images show. `reached`: by partition, up to where the intake topic is taken up in them."""

    def __init__(self):
        self.jobs = {}
        self.reached = dict.fromkeys(range(PARTITIONS), 0)
        self.looks = 0
        self.anew = False

    def show(self, job, reached=None):
        self.jobs[job.key] = job
        self.reached[HOME] = self.reached[HOME] + 1 if reached is None else reached

    async def find(self, keys):
        if self.anew:
            raise LedgerError("an image is read anew")
        return {key: self.jobs[key] for key in keys if key in self.jobs}

    async def deliveries_of(self, job):
        return [f"deliveries of {job.id}"]

    async def page(self, *, accounts, state, after, limit):
        return [("page", accounts, state, after, limit)]

    async def marks_of(self, partition):
        assert partition == HOME, "no other image can tell"
        self.looks += 1
        await asyncio.sleep(0)
        if self.anew:
            raise LedgerError("an image is read anew")
        return {f"intake/jobs/{partition}": b"%d" % self.reached[partition]}


class Planner:
    def next_poll_at(self, account):
        return 99.0 if account == "acme" else None


class Owner:
    poller = Planner()


class Replica:
    """`asked`: what stands in the topic, as (partition, headers' names). `owned`: shards at work here.

    `barriers`: how often somebody waited for an image; `coming`: what it shows then.
    """

    def __init__(self):
        self.images, self.waiters = Images(), Waiters()
        self.asked, self.owned = [], {}
        self.refusing = False
        self.barriers, self.coming = 0, None
        self.wall, self.time = 1_750_000_000.0, 50.0
        asking = Asking(self.publish, topic="jobs", partitions=PARTITIONS, log=self)
        self.jobs = Jobs(
            rows=self.images,
            asking=asking,
            barrier=self,
            waiters=self.waiters,
            shards=lambda: self.owned,
            clock=self,
        )

    async def passed(self, partition):
        assert partition == HOME
        self.barriers += 1
        if self.coming is not None:
            self.images.show(self.coming)

    async def publish(self, record):
        await asyncio.sleep(0)
        if self.refusing:
            raise TimeoutError
        offset = sum(partition == record.partition for partition, _ in self.asked)
        self.asked.append((record.partition, [name for name, _ in record.headers]))
        return Written(record.partition, offset)

    def now(self):
        return self.wall

    def monotonic(self):
        return self.time

    async def track(self, *ids, **fields):
        return await self.jobs.track([TrackRequest(account="acme", id=name, **fields) for name in ids])


@pytest.fixture
def replica():
    return Replica()


def tracked(job_id="a", **fields):
    return replace(track(TrackRequest(account="acme", id=job_id), 1_750_000_000.0), **fields)


class TestTrack:
    async def test_what_is_asked_for_is_in_the_topic_when_it_is_acknowledged(self, replica):
        assert await replica.track("a", "b", "a") == [True, True, False]
        assert replica.asked == [(HOME, ["relay.accepted"])] * 3

    async def test_what_the_image_shows_exists(self, replica):
        replica.images.show(tracked())
        assert await replica.track("a", "b") == [False, True]
        assert len(replica.asked) == 2, "its metadata or its callback may be new"

    async def test_what_this_replica_has_just_taken_exists_too(self, replica):
        await replica.track("a")
        assert await replica.track("a") == [False]

    async def test_of_those_who_ask_for_one_job_at_once_one_is_told_that_it_is_new(self, replica):
        answers = await asyncio.gather(*(replica.track("a", "b") for _ in range(5)))
        assert sorted(answers) == [[False, False]] * 4 + [[True, True]]
        assert len(replica.asked) == 10
        replica.images.reached[HOME] = 10
        assert await replica.track("a") == [True], "nothing is remembered for longer than it has to be"

    async def test_who_was_told_that_it_exists_finds_it_whatever_became_of_the_first(self, replica):
        first = asyncio.create_task(replica.track("a"))
        for _ in range(2):
            await asyncio.sleep(0)
        second = asyncio.create_task(replica.track("a"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == [False]
        assert (await replica.jobs.read(KEY)).job.state == "pending"

    async def test_what_was_given_up_or_deleted_is_created_anew(self, replica):
        replica.images.show(tracked("a", state=LOST), reached=0)
        replica.images.show(delete(tracked("b")), reached=0)
        assert await replica.track("a", "b") == [True, True]
        assert (await replica.jobs.read(KEY)).job.state == "pending"

    async def test_a_callback_too_many_is_told_where_it_is_known_and_nothing_is_asked_for(self, replica):
        urls = [f"https://hooks.example/{number}" for number in range(CALLBACKS_MAX)]
        replica.images.show(tracked(callbacks=tuple(Callback(url=url) for url in urls)))
        with pytest.raises(CallbacksFull) as raised:
            await replica.track("b", "a", callback_url="https://hooks.example/more")
        assert (raised.value.indexes, replica.asked) == ([1], [])

    async def test_what_kafka_does_not_take_is_not_known_afterwards(self, replica):
        replica.refusing = True
        with pytest.raises(Unavailable) as raised:
            await replica.track("a")
        assert raised.value.reason is Reason.LEDGER_UNAVAILABLE
        assert await replica.jobs.read(KEY) is None


class TestRead:
    async def test_what_was_acknowledged_here_is_pending_until_the_image_shows_it(self, replica):
        await replica.track("other", "a", metadata=b'{"n":1}')
        for reached in (0, 1):
            replica.images.reached[HOME] = reached
            view = await replica.jobs.read(KEY)
            assert (view.job.state, view.job.metadata, view.next_poll_at) == ("pending", b'{"n":1}', None)
        replica.images.show(tracked(state="working"), reached=2)
        assert (await replica.jobs.read(KEY)).job.state == "working"

    async def test_what_was_acknowledged_here_is_known_while_an_image_is_read_anew(self, replica):
        await replica.track("a")
        replica.images.anew = True
        assert (await replica.jobs.read(KEY)).job.state == "pending"
        assert await replica.track("a") == [False]
        with pytest.raises(LedgerError):
            await replica.jobs.read(JobKey("acme", "b"))
        with pytest.raises(LedgerError):
            await replica.track("b")

    async def test_an_older_life_that_the_image_still_shows_is_not_what_was_acknowledged(self, replica):
        replica.images.show(tracked(state=LOST), reached=0)
        replica.wall += 100.0
        await replica.track("a")
        assert (await replica.jobs.read(KEY)).job.state == "pending"

    async def test_what_an_image_shows_is_read_without_a_look_at_how_far_it_is(self, replica):
        replica.images.show(tracked())
        view = await replica.jobs.read(KEY)
        assert (view.job, view.deliveries, replica.images.looks) == (tracked(), ["deliveries of a"], 0)

    async def test_when_it_is_looked_at_next_is_known_where_it_is_owned(self, replica):
        replica.images.show(tracked())
        replica.owned = {HOME: Owner()}
        assert (await replica.jobs.read(KEY)).next_poll_at == 99.0
        replica.owned = {(HOME + 1) % PARTITIONS: Owner()}
        assert (await replica.jobs.read(KEY)).next_poll_at is None

    async def test_what_nobody_knows_is_not_there(self, replica):
        assert await replica.jobs.read(KEY) is None

    async def test_what_was_just_asked_for_elsewhere_is_waited_for(self, replica):
        replica.coming = tracked()
        assert (await replica.jobs.read(KEY)).job == tracked()
        await replica.jobs.read(KEY)
        assert replica.barriers == 1, "for what is known, nobody waits"

    async def test_what_was_deleted_may_have_been_asked_for_anew(self, replica):
        replica.images.show(delete(tracked()))
        replica.coming = tracked(tracked_at=1_760_000_000.0)
        assert (await replica.jobs.read(KEY)).job == replica.coming

    async def test_pages_are_as_the_images_have_them(self, replica):
        page = await replica.jobs.page(accounts=["acme"], state="pending", after=None, limit=5)
        assert page == [("page", ["acme"], "pending", None, 5)]

    async def test_many_who_ask_at_once_for_what_is_shown_look_once(self, replica):
        await replica.track(*"abcdefgh")
        replica.images.reached[HOME] = 8
        await asyncio.gather(*(replica.jobs.read(JobKey("acme", name)) for name in "abcdefgh"))
        assert replica.images.looks == 1

    async def test_what_was_shown_long_ago_is_not_kept(self, replica):
        """Looked at now and then, also where nobody asks for these jobs any more."""
        await replica.track(*(f"n{number}" for number in range(2_000)))
        replica.images.reached[HOME] = 2_000
        replica.time += 10.0
        await replica.track("a")
        assert replica.images.looks == 1
        assert await replica.jobs.read(JobKey("acme", "n0")) is None


class TestUntrack:
    async def test_what_the_image_shows_is_gone_for_this_replica_when_it_is_acknowledged(self, replica):
        replica.images.show(tracked(), reached=0)
        assert await replica.jobs.untrack(KEY) is True
        assert replica.asked == [(HOME, ["relay.command"])]
        assert await replica.jobs.read(KEY) is None
        assert await replica.jobs.untrack(KEY) is False
        assert replica.barriers == 0, "it is known here that it is gone"

    async def test_what_was_just_asked_for_elsewhere_can_be_deleted(self, replica):
        replica.coming = tracked()
        assert await replica.jobs.untrack(KEY) is True

    async def test_what_was_just_taken_here_is_gone_too_also_when_its_row_comes(self, replica):
        await replica.track("a")
        assert await replica.jobs.untrack(KEY) is True
        replica.images.show(tracked(), reached=1)
        assert await replica.jobs.read(KEY) is None
        replica.images.show(delete(tracked()), reached=2)
        assert await replica.jobs.read(KEY) is None

    async def test_what_is_taken_again_is_there_again(self, replica):
        replica.images.show(tracked(), reached=0)
        await replica.jobs.untrack(KEY)
        replica.wall += 100.0
        assert await replica.track("a") == [True]
        replica.images.show(delete(tracked()), reached=1)
        assert (await replica.jobs.read(KEY)).job.state == "pending"

    @pytest.mark.parametrize("job", [None, delete(tracked())])
    async def test_what_is_not_known_is_not_asked_for(self, replica, job):
        if job is not None:
            replica.images.show(job)
        assert await replica.jobs.untrack(KEY) is False
        assert replica.asked == []


class TestWait:
    async def test_who_waits_is_told_when_an_image_shows_the_end(self, replica):
        replica.images.show(tracked())
        waiting = asyncio.create_task(replica.jobs.wait(KEY, 60.0))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        ended: Job = tracked(state="completed")
        replica.images.show(ended)
        replica.waiters.tell([ended])
        await asyncio.wait_for(waiting, 10.0)

    async def test_for_what_has_ended_or_is_not_known_nobody_waits(self, replica):
        await asyncio.wait_for(replica.jobs.wait(KEY, 60.0), 10.0)
        replica.images.show(tracked(state="completed"))
        await asyncio.wait_for(replica.jobs.wait(KEY, 60.0), 10.0)

    async def test_for_what_was_just_taken_here_one_waits(self, replica):
        await replica.track("a")
        waiting = asyncio.create_task(replica.jobs.wait(KEY, 60.0))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
