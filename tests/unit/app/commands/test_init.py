import pytest

from relay.app.commands.init import run
from relay.config import annotated, load
from relay.errors import ConfigError


def init(folder, file=None, config=None, *, force=False):
    return run(file=file and str(folder / file), config=config, default=folder / "config.yaml", force=force)


def test_the_file_is_written_where_it_is_looked_for_and_the_next_step_said(tmp_path, capsys):
    assert init(tmp_path) == 0
    assert load(tmp_path / "config.yaml", {}).accounts[0].name == "demo"
    assert "relay serve\n" in capsys.readouterr().out


def test_a_place_of_ones_own_is_part_of_the_next_step(tmp_path, capsys):
    init(tmp_path, "mine.yaml")
    assert f"relay serve --config {tmp_path}/mine.yaml\n" in capsys.readouterr().out


def test_a_file_that_is_there_is_replaced_by_force_only(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        init(tmp_path)
    assert path.read_text() == "mine"
    init(tmp_path, force=True)
    assert path.read_text() == annotated()


def test_a_minus_prints_and_writes_nothing(tmp_path, capsys):
    assert run(file="-", config=None, default=tmp_path / "config.yaml", force=False) == 0
    assert capsys.readouterr().out == annotated()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_said(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        init(tmp_path, "nowhere/config.yaml")
