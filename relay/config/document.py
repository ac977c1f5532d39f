"""A YAML document as plain values, with the references in its strings resolved and with the line of every key.

Faults are collected, not raised, so that a person sees all of them at once; only text that is no YAML at all raises.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from relay.config.faults import Fault, KeyPath
from relay.config.interpolation import ReadText, expand
from relay.errors import ConfigError

DEPTH_MAX = 32

# libyaml is an order of magnitude faster, which thousands of accounts need; not every platform's wheel has it
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# In a flow mapping, as in {key: ${NAME}}, the braces of an unquoted reference would be YAML's own. Other characters
# stand for them while YAML is scanned (one for one: columns stay true), so that references can be written there, too.
_REFERENCE = re.compile(r"\$\{([^{}\n]*)\}")
_SHIELDED = "\ue000\ue001\\1\ue002"
_UNSHIELD = {0xE000: "$", 0xE001: "{", 0xE002: "}"}

_TEXT = "tag:yaml.org,2002:str"


@dataclass(slots=True, kw_only=True)
class Document:
    """`values`: mappings, lists and scalars. `root`: where they belong; all paths begin with it, though no report does.

    `lines`: from 1, for every key and element that is there. `sources`: what was substituted into a scalar.
    `whole`: scalars that were one reference and nothing else. `unresolved`: scalars with a reference that failed;
    `faults` says why.
    """

    values: Any = None
    root: KeyPath = ()
    lines: dict[KeyPath, int] = field(default_factory=dict)
    sources: dict[KeyPath, tuple[str, ...]] = field(default_factory=dict)
    whole: set[KeyPath] = field(default_factory=set)
    unresolved: set[KeyPath] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def where(self, path: KeyPath) -> str:
        """`:line` of the key, or of what it should stand in; nothing where that is the whole document."""
        line = self._line(path)
        return f":{line}" if line else ""

    def report(self, name: str, faults: Iterable[Fault]) -> str:
        """One line per fault, in the order of the file; a key that is missing is reported where it should stand."""
        told = sorted({(self._line(fault.path), self._told(fault)): fault for fault in faults}.items())
        return "\n".join(f"{name}{self.where(fault.path)}: {text}" for (_, text), fault in told)

    def _told(self, fault: Fault) -> str:
        return str(Fault(path=fault.path[len(self.root) :], text=fault.text))

    def _line(self, path: KeyPath) -> int:
        return next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)


Place = Callable[[yaml.Node], KeyPath]


def at_the_root(_: yaml.Node) -> KeyPath:
    return ()


def read(path: Path, environ: Mapping[str, str], read_text: ReadText, place: Place = at_the_root) -> Document:
    """The file as a document. Raises ConfigError as `text_of` and `parse`."""
    return parse(text_of(path, read_text), str(path), environ, read_text, place)


def text_of(path: Path, read_text: ReadText) -> str:
    """Raises ConfigError: it cannot be read."""
    try:
        return read_text(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; `relay init` writes one") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None


def parse(
    text: str, name: str, environ: Mapping[str, str], read_text: ReadText, place: Place = at_the_root
) -> Document:
    """Raises ConfigError, with line and column, when the text is not YAML.

    `name`: what errors call the file. `place`: where the values belong whose root is this node.
    """
    loader, root = _Loader(_REFERENCE.sub(_SHIELDED, text)), None
    try:
        reader = _Reader(loader=loader, environ=environ, read_text=read_text)
        root = loader.get_single_node()
        if root is not None:
            reader.document.root = place(root)
            reader.document.values = reader.value(root, reader.document.root)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{name}{_position(error)}: is not valid YAML: {_problem(error)}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{name}: is not valid YAML: it has characters that are not text") from None
    finally:
        loader.dispose()
        _take_apart(root)
    return reader.document


def _take_apart(node: yaml.Node | None, levels: int = 2) -> None:
    """So that it is freed a piece at a time: a tree of thousands of accounts would stop all other threads for 50 ms."""
    if levels and isinstance(node, yaml.CollectionNode):
        while node.value:
            piece = node.value.pop()
            for each in piece if isinstance(piece, tuple) else (piece,):
                _take_apart(each, levels - 1)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """A tag or an alias may be an unquoted secret that begins with ! or *."""
    return re.sub(r"'[^', ]{3,}'", "'***'", error.problem or "")


def _position(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


@dataclass(slots=True, kw_only=True)
class _Reader:
    loader: Any
    environ: Mapping[str, str]
    read_text: ReadText
    document: Document = field(default_factory=Document)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:  # noqa: ANN401 - whatever YAML holds
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > DEPTH_MAX:
            self._fault(path[:1], f"is nested more than {DEPTH_MAX} levels deep")
            return None
        if isinstance(node, yaml.MappingNode):
            return {key: self.value(value, (*path, key)) for key, value in self._pairs(node, path)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(value, (*path, index)) for index, value in enumerate(node.value)]
        scalar = self._scalar(node, path)
        return self._expanded(scalar, path) if isinstance(scalar, str) else scalar

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        try:
            value: object = self.loader.construct_object(node)
        except (ValueError, KeyError):  # such as the date 2026-02-30, or !!bool with another word
            self._fault(path, "cannot be read as what it looks like; put it in quotes if it is text")
            self.document.unresolved.add(path)
            return None
        return value.translate(_UNSHIELD) if isinstance(value, str) else value

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        self._refuse_duplicates(node, path)
        self.loader.flatten_mapping(node)
        for key_node, value in node.value:
            key = _key(key_node)
            if key_node.tag == _TEXT:
                self.document.lines[*path, key] = key_node.start_mark.line + 1
                yield key, value
            else:
                self._fault((*path, key), "is a key that is not text; put it in quotes", key_node)

    def _refuse_duplicates(self, node: yaml.MappingNode, path: KeyPath) -> None:
        first: dict[str, int] = {}
        for key_node, _ in node.value:
            key, line = _key(key_node), key_node.start_mark.line + 1
            if key in first:
                self._fault((*path, key), f"is given twice, first in line {first[key]}", key_node)
            first.setdefault(key, line)

    def _expanded(self, text: str, path: KeyPath) -> str:
        expanded = expand(text, self.environ, self.read_text)
        if expanded.sources:
            self.document.sources[path] = expanded.sources
        if expanded.whole:
            self.document.whole.add(path)
        if expanded.problems:
            self.document.unresolved.add(path)
        for problem in expanded.problems:
            self._fault(path, problem)
        return expanded.text

    def _fault(self, path: KeyPath, text: str, node: yaml.Node | None = None) -> None:
        if node is not None:
            self.document.lines[path] = node.start_mark.line + 1
        self.document.faults.append(Fault(path=path, text=text))


def _key(node: yaml.Node) -> str:
    return node.value.translate(_UNSHIELD) if isinstance(node, yaml.ScalarNode) else "?"
