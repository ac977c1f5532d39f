"""How those values are declared of which there are very many: jobs, and what goes with them.

For the type checker, which holds every line to it, `value` is `dataclass` itself, and they are frozen. At run time they
are not: Python sets each field of a frozen instance through a call of its own, so that making one takes four times as
long, and a job is made for every submission, twice for every change that is seen, and for every row at a start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

__all__ = ["value"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: bool, **options: bool) -> Callable[[type[T]], type[T]]:
        return dataclass(**options, unsafe_hash=frozen)
