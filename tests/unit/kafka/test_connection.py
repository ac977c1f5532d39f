"""Settings as they are handed to the library. Whether they let us in is tried at a real broker."""

import logging
import socket
import ssl

import pytest

from relay.kafka.connection import Connection, TokenFile, quiet_library
from relay.kafka.failures import TlsFileError, TokenUnreadableError


def arguments(**settings):
    return Connection(bootstrap_servers=("kafka:9092",), **settings).client_arguments()


def test_plaintext_needs_nothing_else():
    found = arguments(client_id="us")
    assert (found["bootstrap_servers"], found["client_id"]) == (["kafka:9092"], "us")
    assert not {name for name in found if name.startswith(("sasl", "ssl"))}


def test_a_user_and_a_password():
    found = arguments(
        security_protocol="SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-256", sasl_username="u", sasl_password="p"
    )
    assert (found["sasl_mechanism"], found["sasl_plain_username"], found["sasl_plain_password"]) == (
        "SCRAM-SHA-256",
        "u",
        "p",
    )


def test_tls_by_the_systems_authorities():
    context = arguments(security_protocol="SSL")["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not arguments(security_protocol="SSL", ssl_check_hostname=False)["ssl_context"].check_hostname


@pytest.mark.parametrize("key", ["ssl_cafile", "ssl_certfile"])
def test_a_file_that_cannot_be_used_is_named_with_its_key(key, tmp_path):
    file = tmp_path / "file.pem"
    with pytest.raises(TlsFileError, match=f"^{key}: .*file.pem cannot be used: No such file"):
        arguments(security_protocol="SSL", **{key: file})
    file.write_text("not PEM")
    with pytest.raises(TlsFileError, match=f"^{key}: .*file.pem cannot be used"):
        arguments(security_protocol="SSL", **{key: file})


def test_a_password_is_not_printed():
    assert "s3cret" not in repr(Connection(bootstrap_servers=("kafka:9092",), sasl_password="s3cret"))


async def test_the_token_is_what_the_file_holds_now(tmp_path):
    file = tmp_path / "token"
    provider = TokenFile(file)
    for text in ("first", "second\n"):
        file.write_text(text)
        assert await provider.token() == text.strip()


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff"])
async def test_without_a_token_nobody_can_sign_in(content, tmp_path):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TokenUnreadableError, match=r"token (cannot be read|is empty)"):
        await TokenFile(file).token()


async def test_the_reason_is_that_of_a_server_and_not_that_of_the_library():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await Connection(bootstrap_servers=(f"127.0.0.1:{port}", f"[::1]:{port}")).reach()


async def test_a_server_that_never_answers_holds_nobody_up_for_long(monkeypatch):
    monkeypatch.setattr("relay.kafka.connection.CONNECT_SECONDS_MAX", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TimeoutError):
        await Connection(bootstrap_servers=(f"127.0.0.1:{server.getsockname()[1]}",)).reach()


def test_the_library_is_quiet(monkeypatch):
    library = logging.getLogger("aiokafka")
    monkeypatch.setattr(library, "level", library.level)
    quiet_library()
    assert not logging.getLogger("aiokafka.conn").isEnabledFor(logging.ERROR)
