"""A replica that is measured, on topics of its own, and the accounts it watches."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from bench.processes import HERE, Server, free_port, process
from kafka.topics import Topics

ACCOUNTS = tuple(f"acme-{number}" for number in range(16))
PARTITIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Of the topics. `rows`: where the floor writes what relay writes into its ledger, which it makes itself."""

    intake: str
    dead: str
    events: str
    ledger: str
    rows: str


def create_topics(bootstrap: str) -> Names:
    async def create() -> Names:
        topics = Topics(bootstrap)
        intake = await topics.create("intake", partitions=PARTITIONS)
        dead, events = await topics.create("dead"), await topics.create("events", partitions=PARTITIONS)
        rows = await topics.create("rows", partitions=PARTITIONS)
        return Names(intake=intake, dead=dead, events=events, ledger=intake.replace("intake", "ledger"), rows=rows)

    return asyncio.run(create())


@contextmanager
def zendesk() -> Iterator[Server]:
    port = free_port()
    with process([str(HERE / "ending.py"), str(port)], port) as server:
        yield server


@contextmanager
def replica(
    folder: Path, bootstrap: str, names: Names, url: str, *, requests_per_minute: int = 60_000
) -> Iterator[Server]:
    """When it is ready; it may own nothing yet."""
    folder.mkdir(exist_ok=True)
    port, config = free_port(), folder / "config.yaml"
    config.write_bytes(orjson.dumps(sections(folder, bootstrap, names, url, port, requests_per_minute)))
    with process(["-m", "relay", "serve", "--config", str(config)], port) as server:
        yield server


def sections(
    folder: Path, bootstrap: str, names: Names, url: str, port: int, requests_per_minute: int
) -> dict[str, object]:
    return {
        "server": {"listen": f"127.0.0.1:{port}"},
        "account_defaults": {
            "auth": {"kind": "bearer", "token": "none"},
            "rate": {"max_requests_per_minute": requests_per_minute, "reserve": 0, "share": 1},
            "polling": {"fresh_within_seconds": 0.05},
        },
        "accounts": [{"name": name, "base_url": url, "allow_http": True} for name in ACCOUNTS],
        "kafka": {"bootstrap_servers": bootstrap},
        "intake": {"kafka": {"topic": names.intake, "group": names.ledger, "dead_letter_topic": names.dead}},
        "ledger": {
            "kind": "kafka",
            "cluster": names.ledger,
            "topic": names.ledger,
            "partitions": PARTITIONS,
            "path": str(folder),
        },
        "sinks": [{"name": "bus", "kind": "kafka", "topic": names.events}],
        "log": {"level": "error"},
    }
