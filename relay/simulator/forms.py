"""How statuses are written: ids, nulls, missing fields, job types, dates. `Forms` is a scenario's, `Form` one job's."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from relay.simulator.kinds import MISLEADING_JOB_TYPE, JobKind, Shape

OMISSIBLE = ("job_type", "url", "total", "progress", "message", "results")  # a documented sample has none of them
STRANGE_WORDS = ("paused", "retrying", "preparing", "Waiting on dependency")


class JobTypes(StrEnum):
    """What `job_type` says."""

    OWN = "own"  # what the job is
    ABSENT = "absent"
    MISLEADING = "misleading"  # destroy_many was recorded to call itself an update


class Listed(StrEnum):
    """What the results of a completed job hold; `results.py` has the entries."""

    FULL = "full"  # {index,id,account_id}, {action,id,status,success}
    TERSE = "terse"  # created things as {id,status}
    INDEXED = "indexed"  # created things as {index,id}, as documented
    ANNOTATED = "annotated"  # with email, external_id or title; errors also as a list, or as a mere {success:false}
    ERRORS = "errors"  # only what failed, so an empty list where nothing did
    OBJECT = "object"  # {success} for the whole job, whose total and progress stay null


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """Of `job_types` and `results` each job draws one. Shares of jobs: `old_dates`, `sparse` (fields are missing),
    `strange` (a status word that no document knows, for a part of its time).
    """

    bare_ids: bool = False
    job_types: tuple[JobTypes, ...] = (JobTypes.OWN, JobTypes.OWN, JobTypes.ABSENT, JobTypes.MISLEADING)
    results: tuple[Listed, ...] = (Listed.FULL, Listed.FULL, Listed.TERSE)
    old_dates: float = 0.2
    total_while_queued: bool = True
    sparse: float = 0.0
    strange: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`missing`: fields that the job's statuses lack. `strange_word`: what it calls itself for a while, if anything."""

    job_type: str | None
    results: Listed
    old_dates: bool
    total_while_queued: bool
    missing: frozenset[str]
    strange_word: str | None


def job_id(random: Random, forms: Forms) -> str:
    """`V3-` and 32 hex as in live traffic, or bare hex as in the documents."""
    return f"{'' if forms.bare_ids else 'V3-'}{random.getrandbits(128):032x}"


def draw_form(random: Random, forms: Forms, kind: JobKind) -> Form:
    missing = _missing(random) if random.random() < forms.sparse else frozenset()
    listed = Listed.OBJECT if kind.shape is Shape.SUCCESS else random.choice(forms.results)
    if listed is Listed.ERRORS and "total" in missing:
        listed = Listed.FULL  # nobody could tell how many went well
    return Form(
        job_type=_job_type(random.choice(forms.job_types), kind),
        results=listed,
        old_dates=random.random() < forms.old_dates,
        total_while_queued=forms.total_while_queued,
        missing=missing,
        strange_word=random.choice(STRANGE_WORDS) if random.random() < forms.strange else None,
    )


def _missing(random: Random) -> frozenset[str]:
    return frozenset(random.sample(OMISSIBLE, random.randint(1, len(OMISSIBLE))))


def _job_type(said: JobTypes, kind: JobKind) -> str | None:
    match said:
        case JobTypes.OWN:
            return kind.job_type
        case JobTypes.MISLEADING:
            return MISLEADING_JOB_TYPE
        case JobTypes.ABSENT:
            return None
