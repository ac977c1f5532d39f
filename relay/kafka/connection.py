"""How to reach Kafka and sign in there: the settings that users know, as aiokafka's clients take them."""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection, create_conn

from relay.kafka.closing import within
from relay.kafka.failures import FAILURES, TlsFileError, TokenUnreadableError, describe

REQUEST_SECONDS_MAX = 10.0
CONNECT_SECONDS_MAX = 5.0  # to one server, TLS and signing in included
REACH_SECONDS_MAX = 15.0  # to any
OPEN_SECONDS_MAX = 20.0  # for a client to be ready
CLOSE_SECONDS_MAX = 2.0
RETRY_SECONDS = 0.25
METADATA_SECONDS_MAX = 5.0  # so late is a partition noticed that was added


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Named after the settings that every Kafka client has. `bootstrap_servers`: each `host:port`.

    `sasl_oauth_token_file`: holds the bearer token; read whenever a connection signs in.
    """

    bootstrap_servers: tuple[str, ...]
    client_id: str = "relay"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    sasl_oauth_token_file: Path | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_check_hostname: bool = True

    def client_arguments(self) -> Mapping[str, Any]:
        """For any of aiokafka's clients. Reads the TLS files, so what replaced them is used by the next client.

        Raises TlsFileError.
        """
        return {
            "bootstrap_servers": list(self.bootstrap_servers),
            "retry_backoff_ms": int(RETRY_SECONDS * 1_000),
            "metadata_max_age_ms": int(METADATA_SECONDS_MAX * 1_000),
            **self._connection_arguments(),
        }

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[AIOKafkaConnection]:
        """One connection to a bootstrap server, the first that lets us in and lets us sign in.

        Raises what keeps us out, of the last one tried; aiokafka's clients only say that they could not start. See
        `failures`.
        """
        connection = await self._connect()
        try:
            yield connection
        finally:
            await within(CLOSE_SECONDS_MAX, connection.close())

    async def reach(self) -> None:
        """See `connected`: whether it can be done."""
        async with self.connected():
            pass

    async def connect(self, host: str, port: int) -> AIOKafkaConnection:
        """To this broker, to be closed by whoever calls."""
        return await create_conn(host, port, **self._connection_arguments())

    async def _connect(self) -> AIOKafkaConnection:
        """In any order, so that where some never answer another one comes first in the end."""
        trouble: BaseException = OSError("there is no server to connect to")
        async with asyncio.timeout(REACH_SECONDS_MAX):
            for server in random.sample(self.bootstrap_servers, k=len(self.bootstrap_servers)):
                host, _, port = server.rpartition(":")
                try:
                    async with asyncio.timeout(CONNECT_SECONDS_MAX):
                        return await self.connect(host.strip("[]"), int(port))
                except FAILURES as error:
                    trouble = error
        raise trouble

    def _connection_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "client_id": self.client_id,
            "request_timeout_ms": int(REQUEST_SECONDS_MAX * 1_000),
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            arguments["ssl_context"] = self._tls()
        if self.security_protocol.startswith("SASL"):
            arguments |= self._sasl()
        return arguments

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
        except OSError as error:
            raise TlsFileError(f"ssl_cafile: {self.ssl_cafile} cannot be used: {describe(error)}") from error
        context.check_hostname = self.ssl_check_hostname
        if self.ssl_certfile is not None:
            try:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password=_no_password)
            except OSError as error:
                names = " with ".join(map(str, filter(None, (self.ssl_certfile, self.ssl_keyfile))))
                raise TlsFileError(f"ssl_certfile: {names} cannot be used: {describe(error)}") from error
        return context

    def _sasl(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"sasl_mechanism": self.sasl_mechanism}
        if self.sasl_oauth_token_file is not None:
            arguments["sasl_oauth_token_provider"] = TokenFile(self.sasl_oauth_token_file)
        else:
            arguments |= {"sasl_plain_username": self.sasl_username, "sasl_plain_password": self.sasl_password}
        return arguments


def _no_password() -> str:
    """OpenSSL would ask for it at the terminal."""
    raise TlsFileError("ssl_keyfile: the key must not be encrypted")


class TokenFile(AbstractTokenProvider):  # type: ignore[misc] # aiokafka is not typed
    """The token in a file that somebody else keeps fresh, such as a projected service account token."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Raises TokenUnreadableError."""
        try:
            token = (await asyncio.to_thread(self._path.read_text, "ascii")).strip()
        except (OSError, ValueError) as error:
            raise TokenUnreadableError(f"{self._path} cannot be read: {error}") from error
        if not token:
            raise TokenUnreadableError(f"{self._path} is empty")
        return token


def quiet_library() -> None:
    """It logs every failed try, several a second while a broker is away. Relay says once what is the matter."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
