import os

import pytest

from relay.app.whole_file import written_whole
from relay.errors import ConfigError


def write(path, text="new", **options):
    with written_whole(path, **{"force": False} | options) as part:
        part.write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_is_there_whole_for_its_owner_only_and_nothing_beside_it(tmp_path):
    write(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "new"
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["x"]


def test_what_is_there_is_replaced_only_by_force(tmp_path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(ConfigError, match="--force replaces it"):
        write(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "old"
    write(tmp_path / "x", force=True)
    assert (tmp_path / "x").read_text() == "new"


def test_what_comes_meanwhile_is_left_alone(tmp_path):
    with pytest.raises(ConfigError, match="there is one already"), written_whole(tmp_path / "x", force=False):
        (tmp_path / "x").write_text("faster")
    assert (tmp_path / "x").read_text() == "faster"
    assert names(tmp_path) == ["x"]


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "x")
    with pytest.raises(ConfigError, match="there is one already"), written_whole(tmp_path / "y", force=False):
        (tmp_path / "y").write_text("faster")
    assert names(tmp_path) == ["x", "y"]


def test_of_what_fails_nothing_is_left(tmp_path):
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "x", force=True):
        _ = 1 / 0
    assert not names(tmp_path)


@pytest.mark.parametrize("name", ["folder", "nowhere/x"])
def test_where_nothing_can_be_written_is_told(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=name):
        write(tmp_path / name, force=True)
