"""One account's requests over aiohttp. Whatever happens on the way ends as a value."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import aiohttp
from yarl import URL

from relay import __version__
from relay.core.tokens import TOKEN_PATH, TokenRequest
from relay.core.zendesk import NoResponse, Request, Response
from relay.errors import Reason
from relay.network import FAILURES, describe, forget_frames, reason_of

BODY_BYTES_MAX = 16 * 1024 * 1024  # 100 jobs with 100 results each take about 2 MB
REQUEST_SECONDS, CONNECT_SECONDS = 30.0, 10.0
KEEP_ALIVE_SECONDS = 30.0
SECRET_CHARACTERS_MIN = 6  # a shorter one would be found in every text


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where an account lives and how to reach it. `authorization`: the header's value; never printed.

    `authorization` None: each request brings the access token that signs it. `secrets`: what is cut out of an answer
    that echoes it, besides what the request's own headers hold.
    """

    base_url: str
    authorization: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    proxy: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


def bearer(token: str) -> str:
    return f"Bearer {token}"


def api_token(email: str, token: str) -> str:
    """Basic authentication as Zendesk has it for API tokens, which stop on 30 April 2027."""
    return "Basic " + base64.b64encode(f"{email}/token:{token}".encode()).decode("ascii")


def open_session(request_seconds: float = REQUEST_SECONDS) -> aiohttp.ClientSession:
    """The session that all accounts share, to be closed by its owner. Names are looked up by aiodns."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=request_seconds, connect=CONNECT_SECONDS),
        trust_env=False,
    )
    # aiohttp silently sends a request again when a reused connection was reset, and has no option against it: two
    # requests would go where the budget granted one.
    session._retry_connection = False  # noqa: SLF001
    return session


class Transport:
    def __init__(self, peer: Peer, session: aiohttp.ClientSession) -> None:
        self._peer = peer
        self._session = session
        self._headers = {
            "accept": "application/json",
            "user-agent": f"relay/{__version__}",
            **peer.headers,
        }
        self._target, self._built = "", URL()
        self._signed = self._headers if peer.authorization is None else self._sign(peer.authorization)

    async def get(self, request: Request) -> Response | NoResponse:
        """The whole answer, or why there is none."""
        token = request.access_token
        return await self._send("GET", request.path, self._signed if token is None else self._sign(bearer(token)))

    async def post(self, request: TokenRequest) -> Response | NoResponse:
        """As `get`. Nothing signs it but its body."""
        headers = {**self._headers, "content-type": "application/json"}
        return await self._send("POST", TOKEN_PATH, headers, request.body)

    def _sign(self, authorization: str) -> Mapping[str, str]:
        return {**self._headers, "authorization": authorization}

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response | NoResponse:
        # Redirects are not followed: they would carry the credentials.
        try:
            async with self._session.request(
                method,
                self._url(path),
                headers=headers,
                data=body,
                allow_redirects=False,
                proxy=self._peer.proxy,
                ssl=self._peer.tls or True,
            ) as answer:
                content = await _read(answer)
        except FAILURES as error:
            forget_frames(error)
            return NoResponse(reason=reason_of(error), detail=describe(error))
        if content is None:
            return NoResponse(reason=Reason.UNREADABLE, detail=f"more than {BODY_BYTES_MAX:,} bytes")
        told = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status, headers=told, body=self._without_secrets(content, headers))

    @cached_property
    def _base(self) -> URL:
        return URL(self._peer.base_url)

    def _url(self, target: str) -> URL:
        """As it goes over the wire. The newest is kept: an account is mostly asked for the same jobs as before."""
        if target != self._target:
            self._target, self._built = target, self._build(target)
        return self._built

    def _build(self, target: str) -> URL:
        """From its parts, since the base is the same each time and the target is encoded."""
        path, _, query = target.partition("?")
        base = self._base
        return URL.build(scheme=base.scheme, authority=base.raw_authority, path=path, query_string=query, encoded=True)

    def _without_secrets(self, content: bytes, sent: Mapping[str, str]) -> bytes:
        """Some gateways echo what they refuse, and an excerpt of a refusal gets into the log."""
        credentials = sent.get("authorization", "").partition(" ")[2]
        for secret in (credentials, *self._peer.secrets, *self._peer.headers.values()):
            if len(secret) >= SECRET_CHARACTERS_MIN:
                content = content.replace(secret.encode(), b"***")
        return content


async def _read(answer: aiohttp.ClientResponse) -> bytes | None:
    """The body, None if it is over the bound."""
    if answer.content.is_eof():  # as mostly: it has come together with the head
        body = answer.content.read_nowait()
        return body if len(body) <= BODY_BYTES_MAX else None
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
