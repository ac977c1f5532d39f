"""Every file in `bad/` is refused with exactly the text beside it, in which nothing is secret."""

from pathlib import Path

import pytest

from relay.config import load
from relay.errors import ConfigError

BAD = Path(__file__).parent / "bad"
ENVIRON = {"WORD": "s3cret-word", "TWO": "2", "EMPTY": ""}
SECRETS = ("s3cret", "5301", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


@pytest.mark.parametrize("file", sorted(BAD.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_bad_configuration_gets_its_error(file, monkeypatch):
    """All faults at once, in the order of the file, each with file, line, key, what is allowed and what is there."""
    monkeypatch.chdir(BAD)
    with pytest.raises(ConfigError) as caught:
        load(Path(file.name), ENVIRON)
    assert f"{caught.value}\n" == file.with_suffix(".txt").read_text()


@pytest.mark.parametrize("file", sorted(BAD.glob("*.yaml")), ids=lambda file: file.stem)
def test_an_error_shows_no_secret(file):
    """Neither the text nor an exception behind it, which a traceback would print, holds one."""
    with pytest.raises(ConfigError) as caught:
        load(file, ENVIRON)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not [secret for secret in SECRETS if secret in str(caught.value)]


def test_every_error_has_its_file_and_every_file_its_error():
    assert {file.stem for file in BAD.glob("*.txt")} == {file.stem for file in BAD.glob("*.yaml")}
