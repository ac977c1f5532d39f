"""References in a string: `${NAME}`, `${NAME:-default}`, `${file:/path}`; `$${` stands for a literal `${`.

Substituted text is not expanded again. As in a shell, `:-` gives the default when NAME is unset or empty.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ReadText = Callable[[Path], str]

FILE_BYTES_MAX = 16 * 1024 * 1024

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)(?P<end>\}?)")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_FILE = "file:"


class _Unresolved(Exception):  # noqa: N818 - never leaves this module
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """A string after substitution.

    `sources`: what was substituted, printable without its value. `whole`: the string was one reference, nothing
    else. `problems`: a sentence for each reference that could not be resolved; `text` is then of no use.
    """

    text: str
    sources: tuple[str, ...] = ()
    whole: bool = False
    problems: tuple[str, ...] = ()


def expand(text: str, environ: Mapping[str, str], read_text: ReadText) -> Expanded:
    sources: list[str] = []
    problems: list[str] = []

    def substitute(match: re.Match[str]) -> str:
        if match["body"] is None:
            return "${"
        try:
            source, value = _resolve(match, environ, read_text)
        except _Unresolved as problem:
            problems.append(str(problem))
            return ""
        sources.append(source)
        return value

    expanded = _TOKEN.sub(substitute, text)
    only = _TOKEN.fullmatch(text)
    return Expanded(
        text=expanded,
        sources=tuple(sources),
        whole=only is not None and only["body"] is not None,
        problems=tuple(problems),
    )


def read_text(path: Path) -> str:
    """A UTF-8 file of bounded size. Raises OSError or UnicodeDecodeError."""
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise OSError(f"larger than {FILE_BYTES_MAX} bytes")
    return content.decode()


def _resolve(match: re.Match[str], environ: Mapping[str, str], read_text: ReadText) -> tuple[str, str]:
    body = match["body"]
    if not match["end"]:
        raise _Unresolved("has a ${ without its }; write $${ for a literal ${")
    if "${" in body:
        raise _Unresolved("has a reference inside a reference, which is not possible")
    if body.startswith(_FILE):
        name = body.removeprefix(_FILE)
        return f"${{file:{name}}}", _file(name, read_text)
    variable = _VARIABLE.fullmatch(body)
    if variable is None:
        raise _Unresolved(
            f"has ${{{body}}}, which is not ${{NAME}}, ${{NAME:-default}} or ${{file:/path}}; "
            "write $${ for a literal ${"
        )
    return f"${{{variable['name']}}}", _environment(variable, environ)


def _environment(variable: re.Match[str], environ: Mapping[str, str]) -> str:
    name, default = variable["name"], variable["default"]
    if default is not None:
        return environ.get(name) or default
    if name not in environ:
        raise _Unresolved(
            f"needs the environment variable {name}, which is not set; "
            f"set it, or give a default as ${{{name}:-default}}"
        )
    return environ[name]


def _file(name: str, read_text: ReadText) -> str:
    if not name:
        raise _Unresolved("has ${file:} without a path")
    try:
        content = read_text(Path(name))
    except UnicodeDecodeError:
        raise _Unresolved(f"needs the file {name}, which is not UTF-8 text") from None
    except OSError as error:
        raise _Unresolved(f"needs the file {name}, which cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise _Unresolved("has ${file:…} with what is no path") from None
    return content.removesuffix("\n").removesuffix("\r")
