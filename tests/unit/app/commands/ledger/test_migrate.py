"""What a migration needs to begin, and what it says of its progress where nobody looks at a terminal."""

import orjson
import pytest

from relay.app.commands.ledger import migrate
from relay.errors import ConfigError, LedgerUnusable

KAFKA = {
    "ledger": {"kind": "kafka", "path": "."},
    "kafka": {"bootstrap_servers": "127.0.0.1:1"},
}


def configured(folder, **sections):
    account = {"name": "acme", "base_url": "https://acme.zendesk.com", "auth": {"kind": "bearer", "token": "x"}}
    path = folder / "config.yaml"
    path.write_bytes(orjson.dumps({"accounts": [account], **sections}))
    return path


def test_the_configuration_says_where_to(tmp_path):
    with pytest.raises(ConfigError, match=r"ledger\.kind: must be kafka"):
        migrate.run(source=tmp_path / "relay.db", config=configured(tmp_path), environ={})


def test_there_must_be_a_file(tmp_path):
    with pytest.raises(LedgerUnusable, match="no such file"):
        migrate.run(source=tmp_path / "relay.db", config=configured(tmp_path, **KAFKA), environ={})
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_a_partition_is_told_of_once_it_is_complete():
    told = []
    report = migrate._lines(told.append)
    for partition, rows in ((0, 1_000), (1, 7), (0, 234), (1, 0), (0, 0)):
        report(partition, rows)
    assert told == ["partition 1: 7 rows, compared", "partition 0: 1,234 rows, compared"]
