import socket

import pytest

from relay.app.checks import Verdict
from relay.app.checks.machine import try_ledger, try_listen
from relay.config.addresses import ListenAddress
from relay.ledger.sqlite import SqliteLedger


@pytest.fixture
async def ledger(tmp_path):
    """One that is open."""
    opened = SqliteLedger(tmp_path / "relay.db")
    await opened.open()
    yield opened
    await opened.close()


def test_a_ledger_that_is_not_there_is_new_and_not_created(tmp_path):
    finding = try_ledger(tmp_path / "relay.db")
    assert (finding.verdict, finding.detail) == (Verdict.OK, "is new: `relay serve` creates it")
    assert not list(tmp_path.iterdir())


async def test_a_ledger_that_a_relay_uses_is_good_and_said(ledger, tmp_path):
    finding = try_ledger(tmp_path / "relay.db")
    assert (finding.verdict, finding.detail) == (Verdict.OK, "is in use by a relay that runs")


async def test_a_ledger_that_was_closed_can_be_used_and_is_still_so_after_the_look(ledger, tmp_path):
    await ledger.close()
    finding = try_ledger(tmp_path / "relay.db")
    assert finding.verdict is Verdict.OK
    assert finding.detail.startswith("can be read and written")
    await ledger.open()


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + bytes(200), b"my diary", bytes(3)])
def test_another_file_is_no_ledger_and_is_left_alone(tmp_path, content):
    path = tmp_path / "relay.db"
    path.write_bytes(content)
    finding = try_ledger(path)
    assert (finding.verdict, finding.detail) == (Verdict.FAILED, "is not a ledger of relay")
    assert path.read_bytes() == content


def test_a_folder_that_is_missing_and_one_in_place_of_the_file_are_said(tmp_path):
    assert "there is no folder" in try_ledger(tmp_path / "data" / "relay.db").detail
    assert try_ledger(tmp_path).detail == "is a folder"


def test_an_address_is_free_or_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = ListenAddress(host="127.0.0.1", port=taken.getsockname()[1])
        finding = try_listen("server.listen", address)
        assert (finding.verdict, finding.detail) == (Verdict.WARNING, "is in use")
    assert try_listen("server.listen", address).detail == "is free"


def test_an_address_of_another_machine_cannot_be_listened_on():
    finding = try_listen("server.listen", ListenAddress(host="192.0.2.1", port=8080))
    assert finding.verdict is Verdict.FAILED
    assert finding.advice == "choose another server.listen"
