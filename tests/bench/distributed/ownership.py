"""How long nobody asks: while 200,000 jobs are restored, when a replica is stopped, and when one is killed."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import orjson
from bench.distributed.flow import hand_in
from bench.distributed.replica import ACCOUNTS, PARTITIONS, create_topics, replica
from bench.processes import HERE, Server, free_port, process
from bench.table import Measurement
from bench.webhooks import call

RESTORED, RESTORE_SECONDS_MAX = 200_000, 10
HANDED_OVER = 320
HAND_OVER_SECONDS_MAX = 3
SESSION_SECONDS, KILLED_SECONDS_MAX = 20, 23
WAIT_SECONDS_MAX = 180.0
STEADY_SECONDS = 3.0


def ownership(bootstrap: str) -> Iterator[Measurement]:
    # Under the current folder: what is mounted at /tmp may be memory.
    with TemporaryDirectory(dir=".") as named:
        yield restore(bootstrap, Path(named))
        yield from hand_overs(bootstrap, Path(named))


def restore(bootstrap: str, folder: Path) -> Measurement:
    names = create_topics(bootstrap)
    asyncio.run(hand_in(bootstrap, names, [job_id(number) for number in range(RESTORED)]))
    with asked() as zendesk:
        with replica(folder / "first", bootstrap, names, url_of(zendesk), requests_per_minute=1) as first:
            wait(lambda: told(first, "relay_jobs_tracked") == RESTORED)
        began = time.monotonic()
        with replica(folder / "second", bootstrap, names, url_of(zendesk), requests_per_minute=1) as second:
            wait(lambda: told(second, "relay_partitions_owned") == PARTITIONS)
            seconds = time.monotonic() - began
            assert told(second, "relay_jobs_tracked") == RESTORED
    return Measurement(
        what=f"from the start of a new replica to polling, {RESTORED:,} rows",
        unit="s",
        ours=seconds,
        at_most=RESTORE_SECONDS_MAX,
    )


def hand_overs(bootstrap: str, folder: Path) -> Iterator[Measurement]:
    names = create_topics(bootstrap)
    asyncio.run(hand_in(bootstrap, names, [job_id(number) for number in range(HANDED_OVER)]))
    with ExitStack() as stack:

        def start(name: str) -> Share:
            zendesk = stack.enter_context(asked())
            server = stack.enter_context(replica(folder / name, bootstrap, names, url_of(zendesk)))
            wait(lambda: told(server, "relay_partitions_owned") > 0)
            return Share(server, zendesk)

        stays, stopped = start("stays"), start("stopped")
        time.sleep(STEADY_SECONDS)
        yield Measurement(
            what="planned stop of a replica: the longest without a poll of an account",
            unit="s",
            ours=unwatched(stopped, stays, signal.SIGTERM),
            at_most=HAND_OVER_SECONDS_MAX,
        )
        killed = start("killed")
        time.sleep(STEADY_SECONDS)
        yield Measurement(
            what=f"kill -9 of a replica (session {SESSION_SECONDS} s): the longest without a poll",
            unit="s",
            ours=unwatched(killed, stays, signal.SIGKILL),
            at_most=KILLED_SECONDS_MAX,
        )


class Share(NamedTuple):
    """A replica, and Zendesk as it sees it."""

    replica: Server
    zendesk: Server


def unwatched(ended: Share, stays: Share, number: signal.Signals) -> float:
    """End it, and tell how long at most an account that it watched was not asked for, until the other did."""
    ended_at = time.time()
    os.kill(ended.replica.pid, number)
    last = {account: max(times) for account, times in by_account(ended).items() if max(times) > ended_at - 1}
    assert last, "it watched nothing"
    wait(lambda: all(max(by_account(stays).get(account, [0.0])) > at for account, at in last.items()))
    last = {account: max(by_account(ended)[account]) for account in last}
    after = by_account(stays)
    return max(min(moment for moment in after[account] if moment > at) - at for account, at in last.items())


def by_account(share: Share) -> Mapping[str, Sequence[float]]:
    """When its jobs were asked for."""
    asked_at: dict[str, list[float]] = defaultdict(list)
    for first_id, times in orjson.loads(call(share.zendesk, "GET", "/asked")).items():
        asked_at[account_of(first_id)] += times
    return asked_at


def job_id(number: int) -> str:
    return f"V3-{number:032x}"


def account_of(job_id: str) -> str:
    """As `hand_in` deals them out."""
    return ACCOUNTS[int(job_id[3:], 16) % len(ACCOUNTS)]


def url_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def told(server: Server, name: str) -> float:
    """The sum of a gauge over its labels."""
    lines = call(server, "GET", "/metrics").decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


def wait(true: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while not true():
        assert time.monotonic() < give_up_at, "what is waited for does not come"
        time.sleep(0.05)


@contextmanager
def asked() -> Iterator[Server]:
    port = free_port()
    with process([str(HERE / "distributed" / "asked.py"), str(port)], port) as server:
        yield server
