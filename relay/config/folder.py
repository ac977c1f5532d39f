"""The account files of a folder: each holds one account (a mapping), or several (a list, or `accounts: […]`)."""

import os
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from relay.config.accounts import Account, Accounts, claimed
from relay.config.document import Document, read
from relay.config.faults import Fault, KeyPath, dotted
from relay.config.interpolation import ReadText
from relay.config.models import Config
from relay.config.sections import Section
from relay.config.validation import validate
from relay.errors import ConfigError

SUFFIXES = (".yaml", ".yml")
EMPTY = "holds nothing; without accounts it must say so: []"

ListFiles = Callable[[Path], Sequence[str]]
Claim = tuple[str, str]
"""What only one account may have: ("name", its name) or ("host", a host name that is not of this machine)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFile:
    """`claims`: what the accounts claim for themselves, and where that is written (`file:line: key`)."""

    accounts: tuple[Account, ...]
    claims: Mapping[Claim, str]


class _Accounts(Section):
    accounts: Accounts


def account_files(folder: Path) -> Sequence[str]:
    """Their names, in order. What is hidden is no account file: Kubernetes keeps all versions of a volume that way.

    Raises OSError.
    """
    with os.scandir(folder) as entries:
        return sorted(one.name for one in entries if one.name.endswith(SUFFIXES) and not one.name.startswith("."))


def read_account_file(path: Path, config: Config, environ: Mapping[str, str], read_text: ReadText) -> AccountFile:
    """The file, whose accounts inherit from the configuration's sections. Raises ConfigError, as `load` does."""
    document = read(path, environ, read_text, _place)
    if document.values is None:
        # A file that is being written looks like this for a moment, which should not remove its accounts.
        raise ConfigError(f"{path}: {EMPTY}")
    document.values = _at_their_place(document)
    outcome = validate(document, _Accounts, layers_of(config))
    faults = list(_unusable(outcome.accounts)) if isinstance(outcome, _Accounts) else outcome
    if isinstance(outcome, _Accounts) and not document.faults and not faults:
        return AccountFile(accounts=outcome.accounts, claims=_claims(path, outcome.accounts, document))
    raise ConfigError(document.report(str(path), [*document.faults, *faults]))


def layers_of(config: Config) -> Sequence[Mapping[str, object]]:
    """What every account inherits: as the file says it, without the defaults of what it does not say."""
    return (
        {"polling": config.polling.model_dump(exclude_unset=True)},
        config.account_defaults.model_dump(exclude_unset=True),
    )


def claims_of(accounts: Iterable[Account]) -> Iterable[tuple[Claim, KeyPath]]:
    """Each claim with the key that it comes from."""
    for index, account in enumerate(accounts):
        yield ("name", account.name), ("accounts", index, "name")
        for authority, key in claimed(account):
            yield ("host", authority), ("accounts", index, key)


def _claims(path: Path, accounts: Sequence[Account], document: Document) -> Mapping[Claim, str]:
    hidden = len(document.root)
    return {claim: f"{path}{document.where(key)}: {dotted(key[hidden:])}" for claim, key in claims_of(accounts)}


def _unusable(accounts: Sequence[Account]) -> Iterable[Fault]:
    """What else would keep a relay from starting, and must not where only one file of many is at fault."""
    for index, account in enumerate(accounts):
        if account.ca_file is not None:
            try:
                ssl.create_default_context(cafile=account.ca_file)
            except OSError as error:
                text = f"{account.ca_file} cannot be used: {error.strerror or error}"
                yield Fault(path=("accounts", index, "ca_file"), text=text)


def _place(root: yaml.Node) -> KeyPath:
    """Where a configuration would have what the file holds."""
    if isinstance(root, yaml.MappingNode):
        whole = any(isinstance(key, yaml.ScalarNode) and key.value == "accounts" for key, _ in root.value)
        return () if whole else ("accounts", 0)
    return ("accounts",)


def _at_their_place(document: Document) -> object:
    match len(document.root):
        case 0:
            return document.values
        case 1:
            return {"accounts": document.values}
        case _:
            return {"accounts": [document.values]}
