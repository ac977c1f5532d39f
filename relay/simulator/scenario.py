"""What a scenario may say: values that describe circumstances, each at its default unless changed. Several combine."""

from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any

from relay.simulator.faults import Fault
from relay.simulator.forms import Forms
from relay.simulator.headers import RateHeaders
from relay.simulator.oauth import OAuth
from relay.simulator.plan import Fate
from relay.simulator.tenants import NO_TENANTS, Tenants
from relay.simulator.throttling import Throttling

Range = tuple[float, float]

DAY_SECONDS = 86_400.0  # job data is kept for one day from creation


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long jobs take. Shares of jobs: `jump`, never seen working (33 of 55 were recorded so); `stall`, standing
    still for `stall_seconds` in the middle of their work.
    """

    queue_seconds: Range = (0.5, 4.0)
    work_seconds: Range = (2.5, 16.0)
    jump: float = 0.3
    stall: float = 0.0
    stall_seconds: Range = (30.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How well Zendesk knows a job. Shares of jobs: `hidden` from look-ups by id at first, `unlisted` at first,
    `vanishing` for good before they end. `flicker`: share of look-ups that miss a job that is there.

    `…_lag_seconds`: how old a state each call shows (show, show_many, list). `kept_seconds`: from creation.
    """

    hidden: float = 0.0
    hidden_seconds: Range = (0.5, 5.0)
    unlisted: float = 0.0
    unlisted_seconds: Range = (5.0, 60.0)
    vanishing: float = 0.0
    flicker: float = 0.0
    show_lag_seconds: float = 0.0
    show_many_lag_seconds: float = 0.0
    list_lag_seconds: float = 0.0
    kept_seconds: float = DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUps:
    """How show_many (and show) deal with what they are asked. `ids_max`: more are refused with 400, which says how many
    are taken where it is `ids_max_told`; a target longer than `target_bytes_max` with 414. `poison`: share of jobs that
    no show_many may name, or it answers `poison_status`; `unspeakable`: nor may show. `foreign`: share of replies that
    also hold a job nobody asked for. `bare`: show answers with the object itself, as one document has it.
    """

    refuse_unknown: bool = False
    repeat: bool = False
    shuffle: bool = True
    count: bool = False
    ids_max: int = 100
    ids_max_told: bool = True
    target_bytes_max: int = 8_192
    poison: float = 0.0
    poison_status: int = 422
    unspeakable: bool = False
    foreign: float = 0.0
    bare: bool = False


class Order(StrEnum):
    """How the list is sorted. Documented: by completion date, then by creation date, both descending."""

    ENDED_FIRST = "ended_first"
    RUNNING_FIRST = "running_first"  # as a database does that puts a missing completion date first
    CREATION = "creation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`jobs_max`: older notes speak of the last 100 jobs; None: all."""

    order: Order = Order.ENDED_FIRST
    jobs_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`about`: one line for people. `fates`: weights. `job_limit`: jobs queued or running at once; None: no limit."""

    about: str = field(default="", compare=False)
    pace: Pace = Pace()
    fates: tuple[tuple[Fate, int], ...] = ((Fate.SUCCEEDED, 1),)
    forms: Forms = Forms()
    memory: Memory = Memory()
    look_ups: LookUps = LookUps()
    listing: Listing = Listing()
    requests_per_minute: int = 700
    tenants: Tenants = NO_TENANTS
    rate_headers: RateHeaders = RateHeaders()
    throttling: Throttling = Throttling()
    oauth: OAuth = OAuth()
    job_limit: int | None = 30
    faults: tuple[Fault, ...] = ()


PLAIN = Scenario()


def combine(*scenarios: Scenario) -> Scenario:
    """One scenario out of several: faults add up; of all else, down to the single value, the later change wins."""
    combined = PLAIN
    for scenario in scenarios:
        faults = (*combined.faults, *scenario.faults)
        combined = replace(_overlay(combined, scenario, PLAIN), about="", faults=faults)
    return combined


def _overlay(base: Any, change: Any, default: Any) -> Any:  # noqa: ANN401 - any value of a scenario
    if not is_dataclass(change):
        return base if change == default else change
    return replace(
        base,
        **{
            each.name: _overlay(getattr(base, each.name), getattr(change, each.name), getattr(default, each.name))
            for each in fields(change)
        },
    )
