"""From a file to a `Config`, or to an error that tells everything that is wrong with it."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from relay.config.accounts import Account
from relay.config.document import Document, parse, read
from relay.config.folder import ListFiles, account_files, read_account_file
from relay.config.interpolation import ReadText, read_text
from relay.config.models import Config
from relay.config.settling import Found, settle
from relay.config.validation import own_layers, validate
from relay.errors import ConfigError

ANNOTATED = "config.yaml"

# What holds where the file does not say; like the file's own values these look at the environment.
IMPLIED = """\
server: {listen: "${RELAY_LISTEN:-127.0.0.1:8080}"}
"""
IMPLIED_LEDGER = {
    "sqlite": 'ledger: {kind: sqlite, path: "${RELAY_DATA:-.}/relay.db"}\n',
    "kafka": 'ledger: {kind: kafka, path: "${RELAY_DATA:-.}"}\n',
}


def annotated() -> str:
    """The annotated configuration file: every key, and it runs as it stands against `relay simulate`."""
    return resources.files(__package__).joinpath(ANNOTATED).read_text(encoding="utf-8")


def load(
    path: Path, environ: Mapping[str, str], read: ReadText = read_text, files_in: ListFiles = account_files
) -> Config:
    """The configuration in the file, with the accounts of `accounts_dir`. Nothing but the arguments is looked at.

    `read` gives the text of every file, `files_in` the names of the files in a folder.
    Raises ConfigError: one line per fault, all of them, as `file:line: key: what is wrong and what is allowed`.
    """
    config = load_file(path, environ, read)
    found, faults = {}, []
    for name in list_folder(path, config, files_in):
        file = Path(config.accounts_dir or "", name)
        try:
            found[file] = Found(wanted=read_account_file(file, config, environ, read))
        except ConfigError as error:
            faults.append(str(error))
    settled = settle(path, config.accounts, found)
    faults += settled.faults.values()
    if faults:
        raise ConfigError("\n".join(faults))
    return with_accounts(config, [account for file in settled.files.values() for account in file.accounts])


def with_accounts(config: Config, further: Sequence[Account]) -> Config:
    """`further`: accounts that have been found to be at peace with the configuration's own."""
    return config.model_copy(update={"accounts": (*config.accounts, *further)})


def load_file(path: Path, environ: Mapping[str, str], read_text: ReadText) -> Config:
    """As `load`, without the accounts of `accounts_dir`."""
    document = read(path, environ, read_text)
    implied = IMPLIED + IMPLIED_LEDGER.get(_ledger_kind(document), "")
    _complete(document, parse(implied, "defaults", environ, read_text))
    outcome = validate(document, Config, own_layers(document.values))
    if isinstance(outcome, Config) and not document.faults:
        return outcome
    faults = [] if isinstance(outcome, Config) else outcome
    raise ConfigError(document.report(str(path), [*document.faults, *faults]))


def list_folder(path: Path, config: Config, files_in: ListFiles) -> Sequence[str]:
    """The names of the files in `accounts_dir`; none where there is none. Raises ConfigError: it cannot be read."""
    folder = config.accounts_dir
    try:
        return () if folder is None else files_in(Path(folder))
    except OSError as error:
        raise ConfigError(f"{path}: accounts_dir: {folder} cannot be read: {error.strerror or error}") from None


def _ledger_kind(document: Document) -> str:
    """As it is written, or what holds without; nothing where it is no text."""
    match document.values:
        case {"ledger": {"kind": kind}}:
            return kind if isinstance(kind, str) else ""
    return "sqlite"


def _complete(document: Document, implied: Document) -> None:
    if document.values is None:
        document.values = {}
    if not isinstance(document.values, dict):
        return
    for section, keys in implied.values.items():
        given = document.values.setdefault(section, {})
        if not isinstance(given, dict):
            continue
        for key in keys.keys() - given.keys():
            given[key] = keys[key]
            document.sources[section, key] = implied.sources.get((section, key), ())
