"""The TLS files that a configuration names: what connections are made with, and made again when the files change."""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.config.sinks import Sink, WebhookSink
from relay.config.sources import Looks, looks
from relay.errors import ConfigError


def tls_context(section: WebhookSink) -> ssl.SSLContext | None:
    """For connections of this sink; None: nothing special is wanted. Reads files.

    Raises ConfigError: a file that cannot be used. The text names the key.
    """
    if section.ca_file is None and section.client_cert_file is None:
        return None
    context = _trusting(section.ca_file, key=f"sinks.{section.name}.ca_file")
    if section.client_cert_file is not None:
        _identify(context, section.client_cert_file, key=f"sinks.{section.name}.client_cert_file")
    return context


def _trusting(ca_file: str | None, *, key: str) -> ssl.SSLContext:
    """It trusts the authorities of this file only; None: the system's."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ConfigError(f"{key}: {ca_file} must hold certificates in PEM") from error
    except OSError as error:
        raise ConfigError(f"{key}: {ca_file} cannot be read: {error.strerror}") from error


def _identify(context: ssl.SSLContext, file: str, *, key: str) -> None:
    def password() -> str:
        raise ConfigError(f"{key}: {file} must hold a key without a password")

    try:
        context.load_cert_chain(file, password=password)
    except ssl.SSLError as error:
        wrong = " that belong together" if error.reason == "KEY_VALUES_MISMATCH" else ""
        raise ConfigError(f"{key}: {file} must hold a certificate and its key{wrong}, both in PEM") from error
    except OSError as error:
        raise ConfigError(f"{key}: {file} cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The context of a sink whose files have changed, or what is wrong with them."""

    sink: str
    context: ssl.SSLContext | None = None
    trouble: str | None = None


class Certificates:
    """The TLS files of these sinks, as they were when last read. A file in trouble is tried again at each look."""

    def __init__(self, sections: Iterable[Sink]) -> None:
        webhooks = (one for one in sections if isinstance(one, WebhookSink))
        self._sections = [one for one in webhooks if one.ca_file or one.client_cert_file]
        self._read_as: dict[str, Sequence[Looks]] = {}

    def look(self) -> Sequence[Renewed]:
        """The sinks with files that look different; all of them at the first look. Reads files."""
        return [found for section in self._sections if (found := self._look_at(section)) is not None]

    def _look_at(self, section: WebhookSink) -> Renewed | None:
        files = [Path(file) for file in (section.ca_file, section.client_cert_file) if file is not None]
        now = [looks(file) for file in files]  # before they are read: a change in between is seen by the next look
        if now == self._read_as.get(section.name):
            return None
        try:
            context = tls_context(section)
        except ConfigError as error:
            return Renewed(sink=section.name, trouble=str(error))
        self._read_as[section.name] = now
        return Renewed(sink=section.name, context=context)
