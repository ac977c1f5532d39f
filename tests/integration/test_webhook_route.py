"""Webhooks by proxy, with authorities and client certificates of their own: real proxies, real TLS, on loopback."""

import asyncio
import ssl

import pytest
import standardwebhooks
from authority import Authority
from integration.endpoints import (
    EVENT,
    SECRETS,
    Resolver,
    endless,
    peer,
    proxy,
    receiver,
    send_to,
    sent,
    sink_to,
    taken,
)

from relay.app.certificates import tls_context
from relay.config.sinks import WebhookSink as Section
from relay.core.delivery import Attempt
from relay.errors import Reason

USER_AND_PASSWORD = "Basic dXNlcjpwYXNzIHdvcmQ="  # user:pass word


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def context(**files):
    """As relay makes it of a configuration."""
    fields = {"kind": "webhook", "name": "orders", "url": "https://a.example.com", "secrets": [SECRETS[0]]}
    return tls_context(Section.model_validate({**fields, **{key: str(path) for key, path in files.items()}}))


class TestProxy:
    async def test_https_goes_through_a_tunnel_and_only_the_proxy_looks_the_name_up(self, authority):
        certificate = authority.issue("orders", hosts=["orders.example.com"])
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        resolver = Resolver(["10.0.0.1"])
        async with receiver(tls=server) as (url, got), proxy(url.port) as (port, heads):
            attempt = await send_to(
                "https://orders.example.com/hook?a=b",
                proxy=f"http://user:pass%20word@127.0.0.1:{port}",
                headers={"authorization": "Bearer t0ps3cret"},
                tls=context(ca_file=authority.ca_file),
                resolver=resolver,
                allow_private=False,
            )
        assert attempt == Attempt()
        (head,) = heads
        assert head.startswith("CONNECT orders.example.com:443 HTTP/1.1\r\n")
        assert f"Proxy-Authorization: {USER_AND_PASSWORD}\r\n" in head
        assert "t0ps3cret" not in head
        assert "webhook-" not in head
        assert resolver.asked == []
        ((request, body),) = got
        assert request.path_qs == "/hook?a=b"
        assert standardwebhooks.Webhook(SECRETS[0]).verify(body, dict(request.headers))["id"] == EVENT.id
        assert "proxy-authorization" not in request.headers

    async def test_http_is_asked_of_the_proxy_itself(self):
        async with proxy(status="204 No Content") as (port, heads):
            attempt = await send_to(
                "http://orders.example.com/hook", proxy=f"http://user:pass%20word@127.0.0.1:{port}", allow_private=False
            )
        assert attempt == Attempt()
        assert heads[0].startswith("POST http://orders.example.com/hook HTTP/1.1\r\n")
        assert f"Proxy-Authorization: {USER_AND_PASSWORD}\r\n" in heads[0]

    async def test_the_way_to_the_proxy_may_be_tls_too(self, authority):
        async with (
            receiver(tls=authority.server()) as (url, got),
            proxy(url.port, tls=authority.server()) as (port, heads),
        ):
            attempt = await send_to(
                url.with_host("localhost"),
                proxy=f"https://127.0.0.1:{port}",
                tls=context(ca_file=authority.ca_file),
            )
        assert (attempt, len(heads), len(got)) == (Attempt(), 1, 1)

    @pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
    async def test_a_proxy_that_does_not_let_us_through(self, status):
        async with proxy(status=status) as (port, _):
            attempt = await send_to(
                "https://orders.example.com/", proxy=f"http://user:s3cret@127.0.0.1:{port}", allow_private=False
            )
        assert attempt == Attempt(reason=Reason.CONNECT, detail=f"the proxy answers {status}")

    async def test_a_proxy_that_is_not_there(self):
        async with proxy() as (port, _):
            pass
        for scheme in ("http", "https"):
            url = f"{scheme}://orders.example.com/"
            attempt = await send_to(url, proxy=f"http://user:s3cret@127.0.0.1:{port}", allow_private=False)
            assert attempt.reason is Reason.CONNECT
            assert attempt.detail.startswith("the proxy cannot be reached: ")
            assert "s3cret" not in attempt.detail

    async def test_a_proxy_that_hangs_or_never_ends_its_answer(self):
        async def hang(reader, writer):
            await asyncio.Event().wait()

        for talk in (hang, endless(b"HTTP/1.1 200 OK\r\nx: ", b"y", pause=0.01)):
            async with peer(talk) as port:
                attempt = await send_to(
                    "https://orders.example.com/", proxy=f"http://127.0.0.1:{port}", timeout_seconds=0.3
                )
            assert attempt.reason is Reason.TIMEOUT

    async def test_an_answer_that_echoes_the_request_does_not_tell_the_password(self):
        async def echo(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 403 No\r\ncontent-length: %d\r\n\r\n%b" % (len(head), head))

        async with peer(echo) as port:
            attempt = await send_to(
                "http://orders.example.com/s3cret-path", proxy=f"http://user:s3cret@127.0.0.1:{port}"
            )
        assert attempt.reason is Reason.REFUSED
        assert "s3cret" not in attempt.detail
        assert "dXNlcjpzM2NyZXQ" not in attempt.detail

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "127.0.0.1.",
            "10.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[fe80::1%25eth0]",
            "localhost",
            "LOCALHOST.",
            "\uff11\uff12\uff17.0.0.1",
            "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
            "orders",
            "db.internal",
            "orders.svc.cluster.local",
            "1.1.1.1@127.0.0.1",
        ],
    )
    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_it_is_not_asked_for_what_is_plainly_private(self, scheme, host):
        async with proxy() as (port, heads):
            attempt = await send_to(f"{scheme}://{host}/", proxy=f"http://127.0.0.1:{port}", allow_private=False)
        assert (attempt.reason, heads) == (Reason.ADDRESS_REFUSED, [])

    @pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "[fd00:ec2::254]", "0.0.0.0"])
    async def test_it_is_never_asked_for_metadata(self, host):
        async with proxy() as (port, heads):
            attempt = await send_to(f"http://{host}/", proxy=f"http://127.0.0.1:{port}", allow_private=True)
        assert (attempt.reason, heads) == (Reason.ADDRESS_REFUSED, [])

    async def test_it_is_asked_for_private_names_where_they_are_allowed(self):
        async with proxy(status="204 No Content") as (port, heads):
            for host in ("orders.svc.cluster.local", "10.0.0.1"):
                assert await send_to(f"http://{host}/", proxy=f"http://127.0.0.1:{port}") == Attempt()
        assert len(heads) == 2


class TestCertificates:
    async def test_an_authority_of_ones_own_is_trusted(self, authority):
        async with receiver(tls=authority.server()) as (url, got):
            assert await send_to(url, tls=context(ca_file=authority.ca_file)) == Attempt()
            assert (await send_to(url)).reason is Reason.TLS
        assert len(got) == 1

    async def test_its_certificates_are_good_for_their_names_only(self, authority):
        other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        other.load_cert_chain(authority.issue("other", hosts=["other.example.com"]))
        async with receiver(tls=other) as (url, got):
            assert (await send_to(url, tls=context(ca_file=authority.ca_file))).reason is Reason.TLS
        assert got == []

    async def test_a_receiver_may_ask_for_our_certificate(self, authority):
        client = authority.issue("relay")
        subjects = []
        async with receiver(noting(subjects), tls=authority.server(clients=True)) as (url, _):
            attempt = await send_to(url, tls=context(ca_file=authority.ca_file, client_cert_file=client))
            refused = await send_to(url, tls=context(ca_file=authority.ca_file))
        assert attempt == Attempt()
        assert refused.reason in {Reason.TLS, Reason.RESET}  # in TLS 1.3 it comes after the handshake
        assert subjects == ["relay"]

    async def test_a_new_certificate_is_shown_from_the_next_attempt_on(self, authority):
        """Although the connection of the attempt before is still open."""
        first = context(ca_file=authority.ca_file, client_cert_file=authority.issue("relay"))
        subjects = []
        async with (
            receiver(noting(subjects), tls=authority.server(clients=True)) as (url, _),
            sink_to(url, tls=first) as orders,
        ):
            for _ in range(2):
                assert await sent(orders) == Attempt()
            orders.renew_tls(context(ca_file=authority.ca_file, client_cert_file=authority.issue("renewed")))
            assert await sent(orders) == Attempt()
        assert subjects == ["relay", "relay", "renewed"]


def noting(subjects):
    """An answer that notes who the client's certificate says it is."""

    async def answer(request):
        subject = request.get_extra_info("peercert")["subject"]
        subjects.append(dict(one for (one,) in subject)["commonName"])
        return await taken(request)

    return answer
