"""From a document to a section of the configuration, or to the faults that keep it from being one."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.config.document import Document
from relay.config.faults import Fault, KeyPath, Translator, printable
from relay.config.sections import Section

Model = TypeVar("Model", bound=Section)
Layers = Sequence[Mapping[str, Any]]

_NOT_TEXT = {"int_type", "float_type", "bool_type"}


def validate(document: Document, model: type[Model], layers: Layers) -> Model | list[Fault]:
    """`layers`: what the document's accounts inherit where they do not say otherwise, the strongest last."""
    values = _with_defaults(document.values, layers)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        failed = _Failed(error=error, values=values, document=document, model=model)
    if failed.retype():
        try:
            return model.model_validate(values)
        except ValidationError as error:
            failed = _Failed(error=error, values=values, document=document, model=model)
    return failed.faults()


def own_layers(values: Any) -> Layers:  # noqa: ANN401 - from YAML
    """What a whole configuration's accounts inherit from its sections `polling` and `account_defaults`."""
    if not isinstance(values, dict):
        return ()
    base = {key: values[key] for key in ("polling",) if key in values}
    defaults = values.get("account_defaults")
    return base, defaults if isinstance(defaults, dict) else {}


class _Failed:
    """A validation that failed, with what it takes to tell why. `values`: from YAML."""

    def __init__(self, *, error: ValidationError, values: Any, document: Document, model: type[Section]) -> None:  # noqa: ANN401
        self._errors = [one for one in error.errors(include_url=False) if not _follows_from_elements(one)]
        self._values = values
        self._document = document
        self._translator = Translator(model)

    def faults(self) -> list[Fault]:
        translated = chain.from_iterable(self._translator.faults(error, self._show) for error in self._errors)
        placed = [Fault(path=self._origin(fault.path), text=fault.text) for fault in translated]
        return [fault for fault in placed if fault.path not in self._document.unresolved]

    def retype(self) -> bool:
        """Reads what a reference gave as YAML would have read it, where the reference is all there is and the key takes
        no text: `concurrency: ${N}` is a number then, and an empty value null. Tells whether anything changed.
        """
        changed = False
        for error in self._errors:
            path, nullable = self._translator.key(error)
            if self._origin(path) not in self._document.whole:
                continue
            text = _at(self._values, path)
            if error["type"] in _NOT_TEXT or (text == "" and nullable):
                _at(self._values, path[:-1])[path[-1]] = _scalar(text)
                changed = True
        return changed

    def _show(self, path: KeyPath, *, secret: bool) -> str:
        sources = self._document.sources.get(self._origin(path))
        if sources:
            return f"*** (from {', '.join(sources)})"
        value = _at(self._values, path)
        return "***" if secret and isinstance(value, (str, int, float)) else printable(value)

    def _origin(self, path: KeyPath) -> KeyPath:
        """Where this was written: in the account itself, in the defaults, or in the section of the same name."""
        if path[:1] != ("accounts",):
            return path
        inside = path[2:]
        for length in range(len(inside), 0, -1):
            for start in (path[:2], ("account_defaults",), ()):
                if (*start, *inside[:length]) in self._document.lines:
                    return (*start, *inside)
        return path


def _follows_from_elements(error: ErrorDetails) -> bool:
    """Pydantic counts the valid elements only, so a list may seem too short although nobody wrote too few."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _at(values: Any, path: KeyPath) -> Any:  # noqa: ANN401 - from YAML
    """None where nothing is."""
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _scalar(text: str) -> object:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if value is None or isinstance(value, (bool, int, float)) else text


def _with_defaults(values: Any, layers: Layers) -> Any:  # noqa: ANN401 - from YAML
    """The values, with the layers merged under every account."""
    if not isinstance(values, dict) or not isinstance(values.get("accounts"), list):
        return values
    return {**values, "accounts": [_inheriting(account, layers) for account in values["accounts"]]}


def _inheriting(account: Any, layers: Layers) -> Any:  # noqa: ANN401 - from YAML
    if not isinstance(account, dict):
        return account
    inherited = {}
    for key in ("rate", "polling", "auth"):
        given = [layer[key] for layer in (*layers, account) if key in layer]
        if given:
            whole = key == "auth" or not all(isinstance(one, dict) for one in given)
            inherited[key] = given[-1] if whole else dict(chain.from_iterable(one.items() for one in given))
    return {**account, **inherited}
