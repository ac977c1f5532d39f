"""The distributed service: this process is one of several replicas on Kafka, and does its share of the work."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Self

from relay.app import kafka
from relay.app.loading import loaded
from relay.app.partition_parts import PartitionParts, Site
from relay.app.work import Tools
from relay.config import Config
from relay.config.kafka import KafkaLedger
from relay.config.sinks import KafkaSink
from relay.core.job import Job
from relay.core.standing import Standing
from relay.errors import ConfigError, LedgerError, LedgerUnusable
from relay.kafka.coordination import Group
from relay.kafka.ends import Ends
from relay.kafka.failures import KafkaFailure
from relay.kafka.former import MemberFile
from relay.kafka.membership import Membership
from relay.kafka.reachability import Reachability
from relay.ledger.kafka.images import Images
from relay.ledger.kafka.merged import Merged
from relay.ledger.kafka.publishing import Publishing, Render
from relay.ledger.kafka.topics import ensure_both
from relay.replica.accounts import Accounts
from relay.replica.asking import Asking
from relay.replica.barrier import Barrier
from relay.replica.jobs import Jobs
from relay.replica.ports import Surroundings
from relay.replica.receivers import Receivers
from relay.replica.replica import Replica
from relay.replica.sinks import Sinks
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.feeds import Feeds
from relay.shard.ports import Account, Polling
from relay.shard.waiters import Waiters
from relay.sinks.kafka import record_of

AGAIN_SECONDS = 2.0
CLOSE_SECONDS_MAX = 5.0


class Replicated:
    """The `Work` of one replica. `images`: open."""

    backups = None  # the topic is the record, and Kafka keeps its replicas

    def __init__(self, tools: Tools, site: Site, images: Images) -> None:
        self._tools = tools
        self._partitions = site.ledger.partitions
        self._images = images
        self._rows = Merged(images.all)
        self._sources: dict[str, str] = {}
        self._feeds = [Feed(recorded=image.rows, sources=self._sources) for image in images.all]
        self._waiters = Waiters()
        images.reached, images.changed = self._reached, self._changed
        clock, log = tools.clock, tools.log
        group = Group(name=site.intake.group, topic=site.intake.topic)
        file = MemberFile(Path(site.ledger.path) / "member")
        membership = Membership(site.connection, group, file=file, monotonic=clock.monotonic, log=log)
        self._parts = PartitionParts(tools, site, images=images, feeds=self._feeds, membership=membership)
        self._sources |= {name: account.source for name, account in self._parts.accounts.items()}
        health = tools.health
        self._replica: Replica[Shard] = Replica(
            membership=membership,
            partitions=self._partitions,
            parts=self._parts,
            surroundings=Surroundings(monotonic=clock.monotonic, beat=health.beat, forget=health.forget, log=log),
        )
        self._parts.may_act = self._replica.may_act
        self._asking = asking = Asking(
            site.publisher.publish, topic=site.intake.topic, partitions=self._partitions, log=log
        )
        self._ends = Ends(site.connection, site.intake.topic)
        self.jobs = Jobs(
            rows=self._rows,
            asking=asking,
            barrier=Barrier(end=self._ends.of, rows=self._rows, asking=asking),
            waiters=self._waiters,
            shards=self._shards,
            clock=clock,
        )
        self.events = Feeds(self._feeds)
        self.sinks = Sinks(
            receivers=Receivers(subscribers=tools.subscribers, callbacks=tools.callbacks),
            rows=self._rows,
            asking=asking,
            shards=self._shards,
            clock=clock,
            random=Random(),  # noqa: S311 - the ids of tests
        )
        self.accounts = Accounts(
            shards=self._shards, census=self._rows, ceilings=self._ceilings, partitions=self._partitions
        )
        self._following: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, tools: Tools, section: KafkaLedger) -> AsyncIterator[Self]:
        """Waits for the brokers. Raises ConfigError: topics or files cannot be used as they are."""
        site = await _site(tools, section)
        work = cls(tools, site, await _images(tools, site))
        try:
            yield work
        finally:
            await work.close()

    async def load(self) -> int:
        """Return when the images show all that was recorded by now."""
        self._following = following = asyncio.create_task(self._images.run())
        return await loaded(self._images, following, self._rows.live_jobs, self._tools.log)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._follow())
            loops.create_task(self._replica.run())

    async def _follow(self) -> None:
        if self._following is not None:
            await self._following

    async def drain(self) -> None:
        """Hand over."""
        await self._replica.stop()
        await self._asking.close()
        await self._ends.close()
        await self.close()

    async def close(self) -> None:
        """Idempotent, bounded."""
        await self._images.close()
        if self._following is not None:
            await asyncio.wait([self._following], timeout=CLOSE_SECONDS_MAX)
            self._following.cancel()

    async def configure(self, accounts: Sequence[Account], removed: Collection[str], polling: Polling) -> None:
        """See Shard.configure; of the shards at work here, and of those that come."""
        self._parts.configure(accounts, removed, polling)
        self._sources |= {one.name: one.source for one in accounts}
        for partition, shard in self._shards().items():
            own = self._parts.of_partition(partition, accounts)
            await shard.configure(own, removed, polling)

    async def standing(self) -> Standing:
        """Of the partitions at work here only, so that what all replicas count can be added up."""
        jobs: Counter[tuple[str, str]] = Counter()
        shards = self._shards()
        for shard in shards.values():
            jobs.update(shard.live.counts)
        try:
            size_bytes = await self._rows.size_bytes()
        except LedgerError:
            size_bytes = 0
        return Standing(
            now=self._tools.clock.now(),
            jobs=jobs,
            accounts=await self.accounts.own_standing(),
            sinks=await self.sinks.own_standing(),
            ledger_bytes=size_bytes,
            ledger_partitions=self._partitions,
            partitions_owned=len(shards),
        )

    def _shards(self) -> Mapping[int, Shard]:
        return self._replica.shards

    def _ceilings(self) -> Mapping[str, float]:
        return {name: one.rate.max_requests_per_minute for name, one in self._parts.accounts.items()}

    def _reached(self, partition: int, newest: int) -> None:
        self._feeds[partition].resume(newest)
        self._waiters.release()  # jobs that ended while an image was read anew are told to nobody

    def _changed(self, partition: int, jobs: Sequence[Job]) -> None:
        self._feeds[partition].publish(jobs)
        self._waiters.tell(jobs)


async def _site(tools: Tools, section: KafkaLedger) -> Site:
    """Where the replicas meet, once the brokers are there. Raises ConfigError: topics cannot be used as they are."""
    config, intake = tools.config, tools.config.kafka_intake
    if config.kafka is None or intake is None or tools.publisher is None:
        raise ConfigError("kafka: is required by ledger")
    connection = kafka.connection(config.kafka)
    reachability = Reachability(client="ledger", log=tools.log)
    while True:
        try:
            topic = await ensure_both(connection, section.topic, intake.topic, partitions=section.partitions)
        except KafkaFailure as failure:
            reachability.lost(failure)
            await asyncio.sleep(AGAIN_SECONDS)
        except LedgerUnusable as error:
            raise ConfigError(f"ledger: {error}") from error
        else:
            reachability.found()
            return Site(connection=connection, publisher=tools.publisher, ledger=section, intake=intake, topic=topic)


async def _images(tools: Tools, site: Site) -> Images:
    """Open. Raises ConfigError: another process has one of the files, or there can be none."""
    section = site.ledger
    images = Images(
        kafka.partitions(section, site.connection, site.topic),
        folder=Path(section.path),
        publishing=Publishing(dict(_renderers(tools.config))),
        now=tools.clock.now,
        log=tools.log,
    )
    try:
        await images.open()
    except LedgerUnusable as error:
        raise ConfigError(f"ledger.path: {error}") from error
    return images


def _renderers(config: Config) -> Iterator[tuple[str, Render]]:
    """What events become for the sinks that the ledger publishes to."""
    for sink in config.sinks:
        if isinstance(sink, KafkaSink):
            yield sink.name, partial(record_of, topic=sink.topic, in_binary=sink.mode == "binary")
