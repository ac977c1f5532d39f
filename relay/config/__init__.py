"""The configuration: parsed once, typed, frozen, strict. Only `app` and `__main__` see it.

`document` (YAML, references) → `validation` (defaults, models, rules) → `Config`; `faults` words what is wrong.
"""

from relay.config.loading import annotated, load
from relay.config.models import Config

__all__ = ["Config", "annotated", "load"]
