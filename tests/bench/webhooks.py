"""Relay with sinks, and the process that receives what they send."""

import http.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from bench.processes import HERE, Server, free_port, process

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@contextmanager
def receiver() -> Iterator[Server]:
    port = free_port()
    with process([str(HERE / "receiver.py"), str(port)], port) as server:
        yield server


@contextmanager
def relay(folder: Path, accounts: Sequence[dict[str, Any]], sinks: Sequence[dict[str, Any]]) -> Iterator[Server]:
    """`relay serve` on the ledger in this folder, when it is ready."""
    port = free_port()
    config = folder / "config.yaml"
    sections = {
        "server": {"listen": f"127.0.0.1:{port}"},
        "ledger": {"kind": "sqlite", "path": str(folder / "relay.db")},
        "accounts": accounts,
        "sinks": sinks,
        "log": {"level": "error"},
    }
    config.write_bytes(orjson.dumps(sections))  # YAML takes JSON as it is
    with process(["-m", "relay", "serve", "--config", str(config)], port) as server:
        yield server


def sink(name: str, url: str, **fields: Any) -> dict[str, Any]:
    """A section of the configuration."""
    allowed = {"allow_http": True, "allow_private": True}
    return {"name": name, "kind": "webhook", "url": url, "secrets": [SECRET], **allowed, **fields}


def resting(account: str) -> dict[str, Any]:
    """A section of an account that is asked nothing: at most once a minute, and so not in the first."""
    auth, rate = {"kind": "bearer", "token": "none"}, {"max_requests_per_minute": 1}
    return {"name": account, "base_url": f"https://{account}.zendesk.com", "auth": auth, "rate": rate}


def call(server: Server, method: str, path: str, body: object = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, orjson.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status < 300, content
    return content


def taken(server: Server) -> dict[str, dict[str, Any]]:
    """What the receiver tells of each path: see receiver.py."""
    told: dict[str, dict[str, Any]] = orjson.loads(call(server, "GET", "/"))
    return told


def pending(server: Server) -> int:
    """Deliveries that relay's ledger holds as owed."""
    return sum(one["pending"] for one in orjson.loads(call(server, "GET", "/v1/sinks"))["sinks"])
