"""A running relay as commands call it: every answer that is not the one hoped for, and none, as an error."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import aiohttp
import orjson

from relay import __version__
from relay.core.webhook import excerpt
from relay.core.zendesk import retry_after_seconds
from relay.errors import ConfigError, RelayError
from relay.network import FAILURES, describe

CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 30.0  # beside what the call itself waits
FILE_SECONDS_MAX = 900.0  # until it begins, or goes on
CHUNK_BYTES = 256 << 10
BUSY_SECONDS_MAX = 5.0
FAILED_SECONDS = 1.0  # before what relay has failed at is asked for again
BUSY_TRIES_MAX = 12
START_ONE = "start one with `relay serve`, or say where it is with --url"

Answer = Mapping[str, Any]
Result = TypeVar("Result")


class NotReachedError(RelayError):
    """Nobody answers there."""


@contextmanager
def advising() -> Iterator[None]:
    """Who is not reached in here: what to do about it is told, too."""
    try:
        yield
    except NotReachedError as error:
        raise NotReachedError(f"{error}; {START_ONE}") from error


class BusyError(RelayError):
    """Relay answers that it cannot now, or has failed at it; the same call may work after `seconds`."""

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


class Caller:
    """`session`: from `open_session`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def call(
        self,
        method: str,
        path: str,
        *,
        expects: str,
        data: object = None,
        query: Mapping[str, str | int] | None = None,
        wait_seconds: float = 0.0,
    ) -> tuple[int, Answer]:
        """The status, and the JSON object that came with it: a good answer, or a problem document.

        `expects`: a member that a good answer has. `data`: for the body. `wait_seconds`: what the call itself may take.
        Raises NotReachedError, BusyError, or ConfigError: it does not let us in, or is no relay.
        """
        timeout = aiohttp.ClientTimeout(total=wait_seconds + ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=None if data is None else orjson.dumps(data),
                params=query,
                timeout=timeout,
            ) as response:
                return response.status, self._answer(response, await response.read(), expects)
        except FAILURES as error:
            raise NotReachedError(f"no relay answers at {self._url} ({excerpt(describe(error))})") from error

    async def download(self, path: str, into: BinaryIO) -> None:
        """The file that is answered, to its end. Raises as `call`, ConfigError: it is refused; OSError: of `into`."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS_MAX, sock_read=FILE_SECONDS_MAX)
        try:
            async with self._session.get(self._url + path, timeout=timeout) as response:
                if response.status != 200:
                    raise refusal(self._answer(response, await response.read(), "code"))
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    into.write(chunk)
        except aiohttp.ClientError as error:
            raise NotReachedError(f"no relay answers at {self._url} ({excerpt(describe(error))})") from error

    def _answer(self, response: aiohttp.ClientResponse, body: bytes, expects: str) -> Answer:
        answer = _json_object(body)
        if response.status in {429, 503}:
            headers = {name.lower(): value for name, value in response.headers.items()}
            seconds = retry_after_seconds(headers, now=0.0) or 1.0
            raise BusyError(f"relay at {self._url} is busy: {detail(answer)}", seconds)
        if response.status >= 500 and "code" in answer:
            raise BusyError(f"relay at {self._url} fails: {detail(answer)}", FAILED_SECONDS)
        if response.status in {401, 403}:
            raise ConfigError(f"relay at {self._url} answers {response.status}: {detail(answer)}; set RELAY_API_KEY")
        if not {"code", expects} & answer.keys():
            raise ConfigError(f"what answers at {self._url} is no relay (HTTP {response.status}); see --url")
        return answer


def open_session(api_key: str | None) -> aiohttp.ClientSession:
    """To be closed by its owner."""
    headers = {"content-type": "application/json", "user-agent": f"relay/{__version__}"}
    if api_key:
        headers["authorization"] = f"Bearer {api_key.strip()}"
    return aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


async def patiently(ask: Callable[[], Awaitable[Result]]) -> Result:
    """What is answered once relay is not busy any more. Raises BusyError: it stays so."""
    for _ in range(BUSY_TRIES_MAX):
        try:
            return await ask()
        except BusyError as error:
            await asyncio.sleep(min(error.seconds, BUSY_SECONDS_MAX))
    return await ask()


def refusal(answer: Answer) -> ConfigError:
    """To be raised where a call is answered with a problem document."""
    return ConfigError(f"relay refuses: {detail(answer)}")


def detail(answer: Answer) -> str:
    """What a problem document, or one of its faults, says in words."""
    return excerpt(str(answer.get("detail") or "it does not say why"))


def _json_object(body: bytes) -> Answer:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
