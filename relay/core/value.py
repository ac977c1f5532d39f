"""How those values are declared of which there are very many: jobs, and what goes with them.

For the type checker, which holds every line to it, `value` and `replace` are those of `dataclasses`, and values are
frozen. At run time they are not: Python sets each field of a frozen instance through a call of its own, so that making
one takes four times as long, and a job is made for every submission, twice for every change that is seen, and for every
row at a start. And most of them are made from one that differs in a field or two: `dataclasses.replace` asks each field
what it is, and takes five times as long as to copy all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["replace", "value"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as value
    from dataclasses import replace
else:

    def value(*, frozen: bool, **options: bool) -> Callable[[type[T]], type[T]]:
        declare = dataclass(**options, unsafe_hash=frozen)

        def declared(cls: type[T]) -> type[T]:
            made = declare(cls)
            made.__copy__ = _copier(made)
            return made

        return declared

    def replace(one: T, /, **changes: object) -> T:
        """Another value, with these fields changed. For values only. Raises AttributeError: there is no such field."""
        copy = one.__copy__()
        for name, changed in changes.items():
            setattr(copy, name, changed)
        return copy


def _copier(cls: type[Any]) -> Callable[[Any], Any]:
    """What copies a value field by field, made as `dataclasses` makes `__init__`: a loop takes four times as long."""
    assignments = "".join(f"    copy.{field.name} = one.{field.name}\n" for field in fields(cls))
    names: dict[str, Any] = {"new": object.__new__, "cls": cls}
    exec(f"def copy(one):\n    copy = new(cls)\n{assignments}    return copy\n", names)  # noqa: S102 - its fields' names
    copier: Callable[[Any], Any] = names["copy"]
    return copier
