"""The configuration: parsed once, typed, frozen, strict. Only `app` and `__main__` see it.

`document` (YAML, references) → `validation` (defaults, models, rules) → `Config`; `faults` words what is wrong.
`folder` adds the accounts of a folder, `settling` keeps the peace between them, `sources` tells what to read again.
"""

from relay.config.loading import annotated, load
from relay.config.models import Config
from relay.config.sources import Sources

__all__ = ["Config", "Sources", "annotated", "load"]
