"""How long nobody asks: while 200,000 jobs are restored, when a replica is stopped, and when one is killed."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

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
    with TemporaryDirectory(dir=".") as named, asked() as zendesk:
        yield restore(bootstrap, Path(named), zendesk)
        yield from hand_overs(bootstrap, Path(named), zendesk)


def restore(bootstrap: str, folder: Path, zendesk: Server) -> Measurement:
    names = create_topics(bootstrap)
    asyncio.run(hand_in(bootstrap, names, [f"V3-{number:032x}" for number in range(RESTORED)]))
    url = f"http://127.0.0.1:{zendesk.port}/restore"
    with replica(folder / "first", bootstrap, names, url, requests_per_minute=1) as first:
        wait(lambda: told(first, "relay_jobs_tracked") == RESTORED)
    began = time.monotonic()
    with replica(folder / "second", bootstrap, names, url, requests_per_minute=1) as second:
        wait(lambda: told(second, "relay_partitions_owned") == PARTITIONS)
        seconds = time.monotonic() - began
        assert told(second, "relay_jobs_tracked") == RESTORED
    return Measurement(
        what=f"from the start of a new replica to polling, {RESTORED:,} rows",
        unit="s",
        ours=seconds,
        at_most=RESTORE_SECONDS_MAX,
    )


def hand_overs(bootstrap: str, folder: Path, zendesk: Server) -> Iterator[Measurement]:
    names = create_topics(bootstrap)
    asyncio.run(hand_in(bootstrap, names, [f"V3-{number:032x}" for number in range(HANDED_OVER)]))
    with ExitStack() as stack:
        for name in ("stays", "stopped"):
            url = f"http://127.0.0.1:{zendesk.port}/{name}"
            server = stack.enter_context(replica(folder / name, bootstrap, names, url))
            wait(lambda server=server: told(server, "relay_partitions_owned") > 0)
        time.sleep(STEADY_SECONDS)
        yield Measurement(
            what="planned stop of a replica: the longest without a poll of an account",
            unit="s",
            ours=unwatched(zendesk, server, signal.SIGTERM, "stopped"),
            at_most=HAND_OVER_SECONDS_MAX,
        )
        url = f"http://127.0.0.1:{zendesk.port}/killed"
        killed = stack.enter_context(replica(folder / "killed", bootstrap, names, url))
        wait(lambda: told(killed, "relay_partitions_owned") > 0)
        time.sleep(STEADY_SECONDS)
        yield Measurement(
            what=f"kill -9 of a replica (session {SESSION_SECONDS} s): the longest without a poll",
            unit="s",
            ours=unwatched(zendesk, killed, signal.SIGKILL, "killed"),
            at_most=KILLED_SECONDS_MAX,
        )


def unwatched(zendesk: Server, server: Server, number: signal.Signals, name: str) -> float:
    """End it, and tell how long its accounts were not asked for, until somebody else did."""
    ended_at = time.time()
    os.kill(server.pid, number)
    wait(lambda: all(of_others(one, name, ended_at) for one in by_account(zendesk).values()))
    gaps = []
    for one in by_account(zendesk).values():
        own = one.get(name, ())
        if own and own[-1] > ended_at - STEADY_SECONDS:
            gaps.append(of_others(one, name, own[-1])[0] - own[-1])
    return max(gaps)


def of_others(asked_by: Mapping[str, Sequence[float]], name: str, after: float) -> Sequence[float]:
    return sorted(at for replica, times in asked_by.items() if replica != name for at in times if at > after)


def by_account(zendesk: Server) -> Mapping[str, Mapping[str, Sequence[float]]]:
    by_replica = orjson.loads(call(zendesk, "GET", "/asked"))
    return {
        account: {replica: accounts.get(account, ()) for replica, accounts in by_replica.items()}
        for account in ACCOUNTS
    }


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
