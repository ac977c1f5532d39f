"""The configuration of a process that runs: from which files it was made, and what to read again when they change.

Files are compared by their looks every now and then, since that works wherever files do: on volumes that Kubernetes
swaps by a link, and on network drives. A file that has changed is read when it looks the same twice, so that nothing
half-written is taken for what somebody meant.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Generic, TypeVar

from relay.config.document import text_of
from relay.config.folder import AccountFile, account_files, layers_of, read_account_file
from relay.config.interpolation import ReadText, read_text
from relay.config.loading import list_folder, load_file, with_accounts
from relay.config.models import Config
from relay.config.settling import Found, settle
from relay.errors import ConfigError

Value = TypeVar("Value")
Looks = tuple[int, ...] | None

UNREAD: Looks = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with a file. `reading`: another number each time it is read, so that each change is told of."""

    text: str
    reading: int


class Sources:
    """`config`: what holds now, with the accounts of the folder; another object whenever any of it may have changed.

    Every call reads files, thousands of them perhaps, and blocks meanwhile.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        """Raises ConfigError, as `load` does; but an account file that is broken is left out, and is a trouble."""
        self._path = path
        self._environ = environ
        self._readings = count()
        self._folder: Path | None = None
        self._text = text_of(path, read_text)
        self._main = _Watched[Config](self._path)
        self._own = self._main.read(partial(self._load, self._text), next(self._readings))
        self._folder = _folder_of(self._own)
        self._refused: Trouble | None = None
        self._unlisted: Trouble | None = None
        self._files: dict[str, _Watched[AccountFile]] = {}  # by name in the folder
        self._held: Mapping[Path, AccountFile] = {}
        self._conflicts: dict[Path, Trouble] = {}
        self.config = self._own
        self.look(at_once=True)

    @property
    def troubles(self) -> Mapping[Path, Trouble]:
        """Why some of what is written does not hold, by file or folder."""
        found = {watched.path: watched.trouble for watched in self._files.values()} | self._conflicts
        found[self._path] = self._refused or self._main.trouble or self._unlisted
        return {path: trouble for path, trouble in found.items() if trouble is not None}

    def reload(self) -> None:
        """Read the configuration file again, and what else has changed. What is broken stays as it was."""
        main = _Watched[Config](self._path)
        try:
            text = text_of(self._path, read_text)
            own = main.read(partial(self._load, text), next(self._readings))
        except ConfigError as error:
            self._refused = Trouble(text=str(error), reading=next(self._readings))
        else:
            self._refused = None
            self._text, self._main = text, main
            self._take(own)
        self.look(at_once=True)

    def look(self, *, at_once: bool = False) -> None:
        """Read again what has changed, except for the configuration file itself. `at_once`: do not wait for rest."""
        changed = at_once
        if self._main.is_due(at_once=at_once):
            changed = True
            with suppress(ConfigError):
                self._take(self._main.read(partial(self._load, self._text), next(self._readings)))
        if self._look_at_folder(at_once=at_once) or changed:
            self._settle()

    def _load(self, text: str, read: ReadText) -> Config:
        """The configuration with this text, whatever the file says now. Raises ConfigError."""
        config = load_file(self._path, self._environ, lambda path: text if path == self._path else read(path))
        if _folder_of(config) != self._folder:
            list_folder(self._path, config, account_files)
        return config

    def _take(self, own: Config) -> None:
        before, self._own = self._own, own
        if _folder_of(own) != self._folder:
            self._folder, self._files = _folder_of(own), {}
        elif layers_of(own) != layers_of(before):
            for watched in self._files.values():
                watched.forget()

    def _look_at_folder(self, *, at_once: bool) -> bool:
        """Whether anything was read, or is gone."""
        self._unlisted, unlisted = None, self._unlisted
        try:
            listed = list_folder(self._path, self._own, account_files)
        except ConfigError as error:
            self._unlisted = unlisted or Trouble(text=str(error), reading=next(self._readings))
            return False
        for name in listed:
            if name not in self._files:
                self._files[name] = _Watched(Path(self._own.accounts_dir or "", name))
        due = [name for name, watched in self._files.items() if watched.is_due(at_once=at_once)]
        for name in due:
            self._look_into(name)
        return bool(due)

    def _look_into(self, name: str) -> None:
        watched = self._files[name]
        if watched.is_gone:
            del self._files[name]
            return
        with suppress(ConfigError):
            watched.read(partial(self._read_file, watched.path), next(self._readings))

    def _read_file(self, path: Path, read: ReadText) -> AccountFile:
        return read_account_file(path, self._own, self._environ, read)

    def _settle(self) -> None:
        files = {one.path: one for one in self._files.values()}
        found = {path: Found(wanted=one.value, held=self._held.get(path)) for path, one in files.items()}
        settled = settle(self._path, self._own.accounts, found)
        self._held = settled.files
        self._conflicts = {
            path: Trouble(text=text, reading=files[path].reading) for path, text in settled.faults.items()
        }
        self.config = with_accounts(self._own, [one for file in self._held.values() for one in file.accounts])


class _Watched(Generic[Value]):
    """What was made of a file and of those it refers to, and how they looked then. `value` or `trouble` is None."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.value: Value | None = None
        self.trouble: Trouble | None = None
        self.reading = 0
        self._read_as: dict[Path, Looks] = {path: UNREAD}
        self._seen_as: dict[Path, Looks] = {}

    def read(self, make: Callable[[ReadText], Value], reading: int) -> Value:
        """Raises ConfigError, which is kept as the trouble."""
        self._read_as = {}
        self.reading = reading
        self.value = self.trouble = None
        try:
            self.value = make(self._recorded)
        except ConfigError as error:
            self.trouble = Trouble(text=str(error), reading=reading)
            raise
        return self.value

    def _recorded(self, path: Path) -> str:
        if path not in self._read_as:
            self._read_as[path] = looks(path)  # before it is read: a change in between is seen by the next look
        return read_text(path)

    def forget(self) -> None:
        """Whatever they look like, they are to be read again."""
        self._read_as = dict.fromkeys(self._read_as, UNREAD)

    def is_due(self, *, at_once: bool) -> bool:
        now = {path: looks(path) for path in self._read_as}
        at_rest, self._seen_as = now == self._seen_as, now
        return now != self._read_as and (at_once or at_rest)

    @property
    def is_gone(self) -> bool:
        """As it was seen last."""
        return self._seen_as.get(self.path) is None


def _folder_of(config: Config) -> Path | None:
    return None if config.accounts_dir is None else Path(config.accounts_dir)


def looks(path: Path) -> Looks:
    """Something that differs when the file does; None: there is no such file. Links are followed."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - there may be thousands
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: it is no path
        return None
    except OSError as error:
        return (error.errno or 0,)
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
