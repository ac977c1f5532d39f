"""From a file to a `Config`, or to an error that tells everything that is wrong with it."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from relay.config.document import Document, parse
from relay.config.faults import Fault, KeyPath
from relay.config.interpolation import ReadText, read_text
from relay.config.models import Config
from relay.config.validation import validate
from relay.errors import ConfigError

ANNOTATED = "config.yaml"

# What holds where the file does not say; like the file's own values these look at the environment.
IMPLIED = """\
server: {listen: "${RELAY_LISTEN:-127.0.0.1:8080}"}
ledger: {kind: sqlite, path: "${RELAY_DATA:-.}/relay.db"}
"""


def annotated() -> str:
    """The annotated configuration file: every key, and it runs as it stands against `relay simulate`."""
    return resources.files(__package__).joinpath(ANNOTATED).read_text(encoding="utf-8")


def load(path: Path, environ: Mapping[str, str], read: ReadText = read_text) -> Config:
    """The configuration in the file. Nothing but the arguments is looked at, so it may be called again at any time.

    `read` gives the text of the file and of every `${file:…}`; a caller that wants to know these may pass its own.
    Raises ConfigError: one line per fault, all of them, as `file:line: key: what is wrong and what is allowed`.
    """
    document = parse(_text(path, read), str(path), environ, read)
    _complete(document, parse(IMPLIED, "defaults", environ, read))
    outcome = validate(document)
    if isinstance(outcome, Config) and not document.faults:
        return outcome
    faults = [] if isinstance(outcome, Config) else outcome
    raise ConfigError(_report(path, document, [*document.faults, *faults]))


def _text(path: Path, read: ReadText) -> str:
    try:
        return read(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; `relay init` writes one") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None


def _complete(document: Document, implied: Document) -> None:
    if document.values is None:
        document.values = {}
    if not isinstance(document.values, dict):
        return
    for section, keys in implied.values.items():
        given = document.values.setdefault(section, {})
        if not isinstance(given, dict) or given.get("kind", "sqlite") != "sqlite":
            continue
        for key in keys.keys() - given.keys():
            given[key] = keys[key]
            document.sources[section, key] = implied.sources.get((section, key), ())


def _report(path: Path, document: Document, faults: list[Fault]) -> str:
    """One line per fault, in the order of the file; a key that is missing is reported where it should stand."""
    lines = {(_line(fault.path, document), str(fault)): None for fault in faults}
    return "\n".join(f"{path}:{line}: {text}" if line else f"{path}: {text}" for line, text in sorted(lines))


def _line(path: KeyPath, document: Document) -> int:
    return next((document.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in document.lines), 0)
