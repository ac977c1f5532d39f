"""A running relay as its callers see it: two calls, and every answer that is not the one hoped for as an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from relay import __version__
from relay.core.webhook import excerpt
from relay.core.zendesk import retry_after_seconds
from relay.errors import ConfigError, RelayError
from relay.network import FAILURES, describe

CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 30.0  # beside what the call itself waits
FAULTS_SHOWN_MAX = 20


class NotReachedError(RelayError):
    """Nobody answers there."""


class BusyError(RelayError):
    """Relay answers that it cannot now; the same call may work after `seconds`."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


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
    """`session`: from `open_session`. Every call may raise NotReachedError, BusyError or ConfigError."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def track(self, ids: Sequence[str], account: str | None) -> Sequence[Tracked]:
        """Hand in at most as many jobs as one call takes."""
        beside = {} if account is None else {"account": account}
        body = orjson.dumps({"jobs": [{"id": job_id, **beside} for job_id in ids]})
        status, answer = await self._call("POST", "/v1/jobs", data=body)
        if status != 202:
            raise ConfigError(_refusal(answer, ids))
        return [
            Tracked(account=job["account"], id=job["id"], created=job["result"] == "created", href=job["href"])
            for job in answer["jobs"]
        ]

    async def look(self, job: Tracked, wait_seconds: float) -> Mapping[str, Any]:
        """The job as it is, or as it is when it ends or the time is up. Raises NotTrackedError, too."""
        status, answer = await self._call("GET", f"{job.href}?wait={wait_seconds:g}", wait_seconds=wait_seconds)
        if status == 404:
            raise NotTrackedError(f"{job} is not tracked any more")
        if status != 200:
            raise ConfigError(_refusal(answer, ()))
        return answer

    async def _call(
        self, method: str, path: str, *, data: bytes | None = None, wait_seconds: float = 0.0
    ) -> tuple[int, Mapping[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=wait_seconds + ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
        try:
            async with self._session.request(method, self._url + path, data=data, timeout=timeout) as response:
                return response.status, self._answer(response, await response.read())
        except FAILURES as error:
            raise NotReachedError(f"no relay answers at {self._url} ({excerpt(describe(error))})") from error

    def _answer(self, response: aiohttp.ClientResponse, body: bytes) -> Mapping[str, Any]:
        answer = _json_object(body)
        if response.status in {429, 503}:
            headers = {name.lower(): value for name, value in response.headers.items()}
            seconds = retry_after_seconds(headers, now=0.0) or 1.0
            raise BusyError(f"relay at {self._url} is busy: {_detail(answer)}", seconds)
        if response.status in {401, 403}:
            raise ConfigError(f"relay at {self._url} answers {response.status}: {_detail(answer)}; set RELAY_API_KEY")
        if not {"code", "jobs", "state"} & answer.keys():
            raise ConfigError(f"what answers at {self._url} is no relay (HTTP {response.status}); see --url")
        return answer


def open_session(api_key: str | None) -> aiohttp.ClientSession:
    """To be closed by its owner."""
    headers = {"content-type": "application/json", "user-agent": f"relay/{__version__}"}
    if api_key:
        headers["authorization"] = f"Bearer {api_key.strip()}"
    return aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _detail(answer: Mapping[str, Any]) -> str:
    return excerpt(str(answer.get("detail") or "it does not say why"))


def _refusal(answer: Mapping[str, Any], ids: Sequence[str]) -> str:
    """What is wrong, with the id that each fault is about."""
    faults = [fault for fault in answer.get("errors") or () if fault.get("index") is not None]
    lines = [f"  {excerpt(ids[fault['index']])}: {_detail(fault)}" for fault in faults[:FAULTS_SHOWN_MAX]]
    if len(faults) > len(lines):
        lines.append(f"  and {len(faults) - len(lines)} more like these")
    return "\n".join(["relay took none of these jobs:", *lines]) if lines else f"relay refuses: {_detail(answer)}"
