"""Named circumstances. A scenario is a frozen value; several combine into one."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from relay.simulator.faults import Delays, Fault, Resets, ServerErrors, Throttles, Truncations, Unauthorized
from relay.simulator.plan import Fate

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long jobs take. `jump`: how many of them are never seen working (33 of 55 were recorded so)."""

    queue_seconds: Range
    work_seconds: Range
    jump: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How well look-ups know a job: shares of jobs that are hidden at first, and that vanish for good."""

    hidden: float = 0.0
    hidden_seconds: Range = (0.0, 0.0)
    vanishing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`fates`: weights. `job_limit`: jobs queued or running at once; None: no limit.

    Of two scenarios that are combined, `faults` add up; of the rest, what the later one changes wins.
    """

    pace: Pace = Pace(queue_seconds=(0.5, 4.0), work_seconds=(2.5, 16.0))
    fates: tuple[tuple[Fate, int], ...] = ((Fate.SUCCEEDED, 1),)
    memory: Memory = Memory()
    requests_per_minute: int = 700
    tenant_requests_per_minute: int = 0
    job_limit: int | None = 30
    faults: tuple[Fault, ...] = ()


def combine(*scenarios: Scenario) -> Scenario:
    changed: dict[str, Any] = {}
    for scenario in scenarios:
        for each in fields(Scenario):
            value = getattr(scenario, each.name)
            if value != each.default:
                changed[each.name] = (*changed.get("faults", ()), *value) if each.name == "faults" else value
    return Scenario(**changed)


_MIXED = (
    (Fate.SUCCEEDED, 50),
    (Fate.PARTIALLY_FAILED, 18),
    (Fate.ALL_FAILED, 8),
    (Fate.FAILED, 14),
    (Fate.KILLED, 8),
    (Fate.STUCK, 2),
)
_DEMO = ((Fate.SUCCEEDED, 14), (Fate.PARTIALLY_FAILED, 3), (Fate.FAILED, 2), (Fate.ALL_FAILED, 1))

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "calm": Scenario(),
        "demo": Scenario(fates=_DEMO),
        "mixed": Scenario(fates=_MIXED),
        "fast": Scenario(
            pace=Pace(queue_seconds=(0.0, 0.3), work_seconds=(0.1, 0.6)), requests_per_minute=100_000, job_limit=None
        ),
        "slow": Scenario(pace=Pace(queue_seconds=(10.0, 120.0), work_seconds=(60.0, 900.0), jump=0.1)),
        "busy": Scenario(requests_per_minute=200, tenant_requests_per_minute=180),
        "limited": Scenario(faults=(Throttles(probability=0.3, retry_after_seconds=(1, 3)),)),
        "flaky": Scenario(
            faults=(
                ServerErrors(probability=0.15),
                Resets(probability=0.08),
                Truncations(probability=0.1),
                Delays(probability=0.1, seconds=0.3),
            )
        ),
        "forgetful": Scenario(memory=Memory(hidden=0.5, hidden_seconds=(0.5, 5.0), vanishing=0.05)),
        "unauthorized": Scenario(faults=(Unauthorized(after_seconds=5.0, for_seconds=10.0),)),
    }
)
