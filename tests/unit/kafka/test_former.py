"""Who the process before this one was in its group."""

import pytest

from relay.kafka.former import MemberFile


async def test_the_last_one_is_remembered(tmp_path):
    for member in ("relay-1", "relay-2"):
        await MemberFile(tmp_path / "member").remember(member)
        assert await MemberFile(tmp_path / "member").recall() == member


@pytest.mark.parametrize("content", [None, b"", b"\xff"])
async def test_what_cannot_be_read_is_nobody(content, tmp_path):
    path = tmp_path / "member"
    if content is not None:
        path.write_bytes(content)
    assert await MemberFile(path).recall() is None


async def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path):
    file = MemberFile(tmp_path / "no such folder" / "member")
    await file.remember("relay-1")
    assert await file.recall() is None
