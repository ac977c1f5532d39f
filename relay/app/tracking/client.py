"""The calls of `relay track`: hand jobs in, look at one."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.app.client import Answer, Caller, detail, refusal
from relay.core.webhook import excerpt
from relay.errors import ConfigError, RelayError

FAULTS_SHOWN_MAX = 20


class NotTrackedError(RelayError):
    """Relay does not know the job (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A job that relay has recorded. `created`: by this call. `href`: where to look at it."""

    account: str
    id: str
    created: bool
    href: str

    def __str__(self) -> str:
        return f"{self.account}/{self.id}"


class Client:
    """Every call may raise NotReachedError, BusyError or ConfigError."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def track(self, ids: Sequence[str], account: str | None) -> Sequence[Tracked]:
        """Hand in at most as many jobs as one call takes."""
        beside = {} if account is None else {"account": account}
        jobs = [{"id": job_id, **beside} for job_id in ids]
        status, answer = await self._caller.call("POST", "/v1/jobs", expects="jobs", data={"jobs": jobs})
        if status != 202:
            raise _none_taken(answer, ids)
        return [
            Tracked(account=job["account"], id=job["id"], created=job["result"] == "created", href=job["href"])
            for job in answer["jobs"]
        ]

    async def look(self, job: Tracked, wait_seconds: float) -> Answer:
        """The job as it is, or as it is when it ends or the time is up. Raises NotTrackedError, too."""
        path = f"{job.href}?wait={wait_seconds:g}"
        status, answer = await self._caller.call("GET", path, expects="state", wait_seconds=wait_seconds)
        if status == 404:
            raise NotTrackedError(f"{job} is not tracked any more")
        if status != 200:
            raise refusal(answer)
        return answer


def _none_taken(answer: Answer, ids: Sequence[str]) -> ConfigError:
    """What is wrong, with the id that each fault is about."""
    faults = [fault for fault in answer.get("errors") or () if fault.get("index") is not None]
    lines = [f"  {excerpt(ids[fault['index']])}: {detail(fault)}" for fault in faults[:FAULTS_SHOWN_MAX]]
    if len(faults) > len(lines):
        lines.append(f"  and {len(faults) - len(lines)} more like these")
    return ConfigError("\n".join(["relay took none of these jobs:", *lines])) if lines else refusal(answer)
