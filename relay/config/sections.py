"""What every section of the configuration is: strict, frozen, and able to state rules across its keys."""

from collections.abc import Iterable
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from relay.config.faults import Fault, broken

Item = TypeVar("Item")

# YAML knows lists only; what is kept is a tuple. The elements stay strict.
Listed = Annotated[tuple[Item, ...], Field(strict=False)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    def rules(self) -> Iterable[Fault]:
        """The broken rules that hold between keys; paths are relative to the section."""
        return ()

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        if faults := tuple(self.rules()):
            raise broken(faults)
        return self
