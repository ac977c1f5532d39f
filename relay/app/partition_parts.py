"""What a replica makes for each partition of the ledger that becomes its own: ledger, shard, intake."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from relay.app import parts
from relay.app.partition_log import PartitionLog
from relay.app.work import Tools
from relay.config.kafka import KafkaIntake, KafkaLedger
from relay.errors import LedgerError
from relay.intake.dead_letters import DeadLetters
from relay.intake.forwarding import Forwarding
from relay.intake.kafka import KafkaIntake as Intake
from relay.intake.kafka import Surroundings as IntakeSurroundings
from relay.intake.offsets import Offsets
from relay.intake.taking import Taking
from relay.kafka.connection import Connection
from relay.kafka.membership import Membership
from relay.kafka.publisher import Publisher
from relay.kafka.source import PartitionSource
from relay.ledger import Ledger
from relay.ledger.kafka.images import Images
from relay.ledger.kafka.partitioning import partition_of
from relay.ledger.kafka.topics import LedgerTopic
from relay.replica.guarded import GuardedZendesk
from relay.replica.ports import Beat
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.ports import Account, Polling, Subscriber, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the replicas meet. `ledger`, `intake`: sections of the configuration. `topic`: the ledger's, as it is."""

    connection: Connection
    publisher: Publisher
    ledger: KafkaLedger
    intake: KafkaIntake
    topic: LedgerTopic

    def place(self, account: str) -> int:
        """The partition that the account belongs to."""
        return partition_of(account, self.ledger.partitions)


class PartitionParts:
    """See replica.ports.Parts. `feeds`: by partition. `accounts`: by name, as configured now."""

    def __init__(
        self, tools: Tools, site: Site, *, images: Images, feeds: Sequence[Feed], membership: Membership
    ) -> None:
        self._tools = tools
        self._site = site
        self._images = images
        self._feeds = feeds
        self._membership = membership
        self._settings = parts.settings(tools.config)
        self._subscribers = shares(tools.subscribers, site.ledger.partitions)
        self._version = 0
        self._made_with: dict[int, int] = {}
        self.may_act: Callable[[], bool] = _never
        self.accounts = {one.name: parts.account(one, tools.session) for one in tools.config.accounts}

    def ledger(self, partition: int) -> Ledger:
        return self._images.ledger(partition, partial(self._membership.check, partition))

    def shard(self, partition: int, ledger: Ledger, beat: Beat) -> Shard:
        self.made(partition)
        tools = self._tools
        return Shard(
            record=ledger,
            accounts=self.of_partition(partition, self.accounts.values()),
            subscribers=self._subscribers,
            callbacks=tools.callbacks,
            feed=self._feeds[partition],
            settings=self._settings,
            surroundings=Surroundings(
                clock=tools.clock,
                random=Random(),  # noqa: S311 - jitter
                metrics=tools.metrics,
                log=PartitionLog(tools.log, partition),
                beat=beat,
            ),
        )

    def intake(self, partition: int, shard: Shard, marks: Mapping[str, bytes], beat: Beat) -> Intake:
        """Raises LedgerError: the shard knows the accounts as they were when it was made."""
        if self._made_with[partition] != self._version:
            raise LedgerError("the configuration was changed while the partition was loaded")
        tools, site = self._tools, self._site
        topic, publish = site.intake.topic, site.publisher.publish
        log = PartitionLog(tools.log, partition)
        return Intake(
            source=PartitionSource(site.connection, topic=topic, partition=partition, show=self._membership.show),
            offsets=Offsets(topic, marks),
            taking=Taking(
                jobs=shard,
                rules=tools.access,
                dead_letters=DeadLetters(publish, topic=site.intake.dead_letter_topic, source=topic),
                observer=tools.metrics,
                log=log,
                forwarding=Forwarding(publish, topic=topic, place=site.place),
            ),
            around=IntakeSurroundings(monotonic=tools.clock.monotonic, beat=beat, log=log),
        )

    def made(self, partition: int) -> None:
        """Its shard knows what is configured by now."""
        self._made_with[partition] = self._version

    def configure(self, accounts: Sequence[Account], removed: Collection[str], polling: Polling) -> None:
        """What holds for shards that are made from now on."""
        self._version += 1
        self._settings = replace(self._settings, polling=polling)
        for name in removed:
            self.accounts.pop(name, None)
        self.accounts |= {one.name: one for one in accounts}

    def of_partition(self, partition: int, accounts: Collection[Account]) -> Sequence[Account]:
        """Those that belong there, asked only while that is ours."""
        return [
            replace(one, zendesk=GuardedZendesk(one.zendesk, self._allowed))
            for one in accounts
            if self._site.place(one.name) == partition
        ]

    def _allowed(self) -> bool:
        return self.may_act()


def shares(subscribers: Sequence[Subscriber], partitions: int) -> Sequence[Subscriber]:
    """What one partition may ask of receivers, so that all of them together ask no more than is configured."""
    return [_share(one, partitions) for one in subscribers]


def _share(subscriber: Subscriber, partitions: int) -> Subscriber:
    if subscriber.kind == "kafka":  # the ledger publishes, and is its own limit
        return replace(subscriber, subscription=replace(subscriber.subscription, in_ledger=True))
    rate = subscriber.rate_per_second
    return replace(
        subscriber,
        concurrency=math.ceil(subscriber.concurrency / partitions),
        rate_per_second=None if rate is None else rate / partitions,
    )


def _never() -> bool:
    return False
