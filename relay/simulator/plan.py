"""A job's whole life, fixed when it starts: what Zendesk would say of it at any moment is a function of its plan."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import NamedTuple

from relay.simulator.forms import Form
from relay.simulator.kinds import JobKind


class Fate(StrEnum):
    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"  # completed, with errors among the results
    MOSTLY_FAILED = "mostly_failed"  # completed, with one item that went well
    ALL_FAILED = "all_failed"  # completed, with nothing but errors
    FAILED = "failed"
    KILLED = "killed"
    STUCK = "stuck"  # never ends


_FINAL_WORD = {
    Fate.SUCCEEDED: "completed",
    Fate.PARTIALLY_FAILED: "completed",
    Fate.MOSTLY_FAILED: "completed",
    Fate.ALL_FAILED: "completed",
    Fate.FAILED: "failed",
    Fate.KILLED: "killed",
    Fate.STUCK: None,
}


class Step(NamedTuple):
    """From `at` on, `progress` items are done."""

    at: float
    progress: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Times are seconds since the epoch; `inf`: never. `working_at` = `ended_at`: it is never seen working.

    `failed`: indexes of the items that fail. `item_ids`: of the things worked on, one for each item.
    `strange`: from when until when it goes by a word that no document knows.
    `hidden_until`: look-ups by id do not find it before. `unlisted_until`: the list does not hold it before.
    `gone_at`: nothing finds it any more. `poisonous`: a show_many that names it is refused as a whole.
    """

    id: str
    account: str
    account_id: int
    number: int
    kind: JobKind
    fate: Fate
    total: int
    created_at: float
    working_at: float
    ended_at: float
    steps: tuple[Step, ...]
    failed: frozenset[int]
    item_ids: Sequence[int | str]
    form: Form
    strange: tuple[float, float] = (inf, inf)
    hidden_until: float = -inf
    unlisted_until: float = -inf
    gone_at: float = inf
    poisonous: bool = False

    @property
    def final_word(self) -> str | None:
        """The status it ends with; None: it never does."""
        return _FINAL_WORD[self.fate]

    def listed_at(self, now: float) -> bool:
        """Whether a list holds it."""
        return max(self.created_at, self.unlisted_until) <= now < self.gone_at

    def found_at(self, now: float) -> bool:
        """Whether a look-up by id finds it."""
        return max(self.created_at, self.hidden_until) <= now < self.gone_at

    def ended(self, now: float) -> bool:
        return now >= self.ended_at

    def word_at(self, now: float) -> str:
        if self.final_word is not None and self.ended(now):
            return self.final_word
        if self.form.strange_word is not None and self.strange[0] <= now < self.strange[1]:
            return self.form.strange_word
        return "working" if now >= self.working_at else "queued"

    def progress_at(self, now: float) -> int:
        if self.final_word == "completed" and self.ended(now):
            return self.total
        passed = bisect_right(self.steps, now, key=lambda step: step.at)
        return self.steps[passed - 1].progress if passed else 0

    def changes_after(self, now: float) -> float:
        """When its status next changes; `inf`: never again."""
        moments = (self.working_at, *(step.at for step in self.steps), *self.strange, self.ended_at)
        return min((at for at in moments if at > now), default=inf)
