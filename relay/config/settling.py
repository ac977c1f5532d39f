"""Which version of each account file holds: no two accounts, wherever they are written, may be the same."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from relay.config.accounts import Account
from relay.config.folder import AccountFile, Claim, claims_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file says now (None: it cannot be read), and what of it has held until now (None: nothing)."""

    wanted: AccountFile | None = None
    held: AccountFile | None = None

    @property
    def choices(self) -> tuple[AccountFile, ...]:
        """The dearest first."""
        versions = (self.wanted,) if self.wanted is self.held else (self.wanted, self.held)
        return tuple(version for version in versions if version is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`files`: what holds now, by file, in the order of their names. `faults`: why what a file says does not hold."""

    files: Mapping[Path, AccountFile]
    faults: Mapping[Path, str]


def settle(main: Path, accounts: Iterable[Account], found: Mapping[Path, Found]) -> Settled:
    """`main`, `accounts`: the configuration file, and what it claims before anybody else.

    A file that claims what is taken falls back to what held before. What has held goes before what is new, so that no
    account changes hands by a mistake in another's file; among the new, the first by name.
    """
    taken = {claim: main for claim, _ in claims_of(accounts)}
    left = {path: list(one.choices) for path, one in sorted(found.items())}
    faults: dict[Path, str] = {}
    while refused := _refused(taken, left, found):
        for path, fault in refused.items():
            left[path].pop(0)
            faults.setdefault(path, fault)
    return Settled(files={path: choices[0] for path, choices in left.items() if choices}, faults=faults)


def _refused(
    taken: Mapping[Claim, Path], left: Mapping[Path, list[AccountFile]], found: Mapping[Path, Found]
) -> Mapping[Path, str]:
    """The files that cannot have what they claim, each with the reason."""
    owners = dict(taken)
    refused: dict[Path, str] = {}
    choices = [(path, choices[0]) for path, choices in left.items() if choices]
    for path, choice in sorted(choices, key=lambda one: one[1] is not found[one[0]].held):
        clash = next((claim for claim in choice.claims if claim in owners), None)
        if clash is None:
            owners.update(dict.fromkeys(choice.claims, path))
        else:
            _, value = clash
            refused[path] = f"{choice.claims[clash]}: {value} belongs to an account in {owners[clash]} already"
    return refused
