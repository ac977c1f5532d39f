"""What can go wrong on the way to Zendesk, on real sockets: each ends as a value in time, and leaves nothing behind."""

import asyncio
import gc
import gzip
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop
from authority import Authority, written

from relay.core.zendesk import Endpoint, NoResponse, Request, Response
from relay.errors import Reason
from relay.zendesk.transport import BODY_BYTES_MAX, Peer, Transport, bearer, open_session

POLL = Request(endpoint=Endpoint.SHOW_MANY, ids=("V3-1", "V3-2"))
REQUEST_SECONDS = 1.0
BEYOND_SECONDS_MAX = 2.0  # how much later than its bound a request may end here: the machine may be busy
DRIP_SECONDS = 0.3
MEBIBYTE = 1 << 20
SOCKET_BUFFERS_MAX = 16 * MEBIBYTE
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"  # a fatal alert, RFC 8446, section 6
DESCRIPTORS = Path("/proc/self/fd")  # Linux

Play = Callable[["Line"], Awaitable[None]]


class Line:
    """A connection as the server has it. `requests`: how many came over all connections."""

    def __init__(self, reader, writer, server):
        self.reader = reader
        self.writer = writer
        self._server = server

    async def request(self):
        await self.reader.readuntil(b"\r\n\r\n")
        self._server.requests += 1

    async def say(self, text):
        self.writer.write(text)
        await self.writer.drain()
        self._server.sent += len(text)

    def reset(self):
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.writer.transport.abort()


class Server:
    """Plays the same on every connection. `sent`: bytes that went out."""

    def __init__(self, play):
        self._play = play
        self.requests = self.sent = 0

    async def connected(self, reader, writer):
        try:
            await self._play(Line(reader, writer, self))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, RuntimeError):
            pass  # the client has gone; RuntimeError: as uvloop says it
        finally:
            writer.close()


@asynccontextmanager
async def serving(play, tls=None):
    server = Server(play)
    async with await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=tls) as listening:
        yield server, listening.sockets[0].getsockname()[1]


async def say_and_close(line, text):
    await line.request()
    await line.say(text)


def saying(text):
    """An answer, after which the connection is closed in order."""
    return lambda line: say_and_close(line, text)


def dripping(text):
    async def play(line):
        await line.request()
        for byte in text:
            await line.say(bytes([byte]))
            await asyncio.sleep(DRIP_SECONDS)

    return play


async def reset_at_once(line):
    line.reset()


async def reset_in_the_head(line):
    await line.request()
    await line.say(ANSWER[:20])
    line.reset()


async def reset_in_the_body(line):
    await line.request()
    await line.say(ANSWER[:-1])
    line.reset()


async def close_at_once(line):
    await line.request()


async def hang(line):
    await line.request()
    await line.reader.read()


async def say_100_mebibytes(line):
    await line.request()
    await line.say(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        await line.say(bytes(MEBIBYTE))


async def say_in_between_for_ever(line):
    await line.request()
    while True:
        await line.say(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.01)


async def refuse_the_handshake(line):
    await line.reader.read(1)
    await line.say(HANDSHAKE_FAILURE)


async def reset_the_handshake(line):
    await line.reader.read(1)
    line.reset()


async def close_in_the_handshake(line):
    await line.reader.read(1)


async def hang_in_the_handshake(line):
    await line.reader.read()


async def say_no_tls(line):
    await line.reader.read(1)
    await line.say(ANSWER)


def close(line):
    line.writer.close()


def shut_down(line):
    """Says nothing more, and still listens."""
    line.writer.write_eof()


def reset(line):
    line.reset()


def headed(head, body=b""):
    return b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body


async def say_a_huge_head(line):
    await say_and_close(line, headed(b"\r\n".join(b"x-%d: y" % n for n in range(100_000)), b"{}"))


async def say_a_huge_body(line):
    size = BODY_BYTES_MAX + 1
    await say_and_close(line, headed(b"content-length: %d" % size, bytes(size)))


async def say_a_bomb(line):
    body = gzip.compress(bytes(2 * BODY_BYTES_MAX), 1)
    await say_and_close(line, headed(b"content-encoding: gzip\r\ncontent-length: %d" % len(body), body))


FAULTS: dict[str, tuple[Play, Reason]] = {
    "reset after the connection was accepted": (reset_at_once, Reason.RESET),
    "reset in the head": (reset_in_the_head, Reason.RESET),
    "reset in the body": (reset_in_the_body, Reason.UNREADABLE),
    "closed without an answer": (close_at_once, Reason.RESET),
    "no answer": (hang, Reason.TIMEOUT),
    "a head that drips": (dripping(ANSWER), Reason.TIMEOUT),
    "a body that drips": (dripping(ANSWER), Reason.TIMEOUT),
    "interim answers for ever": (say_in_between_for_ever, Reason.TIMEOUT),
    "a body that is shorter than told": (saying(headed(b"content-length: 9", b"{}")), Reason.UNREADABLE),
    "chunks that break off": (saying(headed(b"transfer-encoding: chunked", b"9\r\n{}")), Reason.UNREADABLE),
    "chunks without an end": (saying(headed(b"transfer-encoding: chunked", b"2\r\n{}\r\n")), Reason.UNREADABLE),
    "chunks of no length": (saying(headed(b"transfer-encoding: chunked", b"two\r\n{}\r\n")), Reason.UNREADABLE),
    "a length that is none": (saying(headed(b"content-length: two", b"{}")), Reason.UNREADABLE),
    "something else than HTTP": (saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Reason.UNREADABLE),
    "something else than text": (saying(bytes(range(256)) * 10), Reason.UNREADABLE),
    "a huge line in the head": (saying(headed(b"x: " + b"y" * MEBIBYTE, b"{}")), Reason.UNREADABLE),
    "a huge head": (say_a_huge_head, Reason.UNREADABLE),
    "a huge body": (say_a_huge_body, Reason.UNREADABLE),
    "a body without an end": (say_100_mebibytes, Reason.UNREADABLE),
    "a small body that becomes huge": (say_a_bomb, Reason.UNREADABLE),
    "a body that is not compressed as told": (saying(headed(b"content-encoding: gzip", b"{}")), Reason.UNREADABLE),
}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine; afterwards nothing of it is left, and nothing has been said behind anybody's back."""

    def run(coroutine):
        said = []
        before = opened()
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: said.append(context))
            result = runner.run(to_its_end(coroutine))
        gc.collect()
        assert not said
        assert opened() <= before
        return result

    return run


async def to_its_end(coroutine):
    result = await coroutine
    async with asyncio.timeout(BEYOND_SECONDS_MAX):
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - the server's own end when they see that the client has gone
            await asyncio.sleep(0.01)
    return result


def opened():
    """The sockets that this process has open."""
    return {inode for descriptor in DESCRIPTORS.iterdir() if (inode := inode_of(descriptor)).startswith("socket:")}


def inode_of(descriptor):
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # the one that listed the others
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a request ended, and what the server saw of it."""

    answer: Response | NoResponse
    seconds: float
    requests: int
    sent: int


async def ask(play, *, tls=None, peer_tls=None, host="127.0.0.1"):
    async with serving(play, tls) as (server, port):
        scheme = "http" if tls is None and peer_tls is None else "https"
        async with open_session(REQUEST_SECONDS) as session:
            base_url = f"{scheme}://{host}:{port}"
            zendesk = Transport(Peer(base_url=base_url, authorization=bearer("s3cret"), tls=peer_tls), session)
            began = time.monotonic()
            answer = await zendesk.get(POLL)
            seconds = time.monotonic() - began
        return Asked(answer=answer, seconds=seconds, requests=server.requests, sent=server.sent)


def assert_told(asked, reason):
    assert isinstance(asked.answer, NoResponse), asked.answer
    assert asked.answer.reason is reason, asked.answer
    assert asked.answer.detail
    assert "s3cret" not in asked.answer.detail
    assert asked.seconds < REQUEST_SECONDS + BEYOND_SECONDS_MAX
    assert asked.requests <= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_is_told_in_time(run, fault):
    play, reason = FAULTS[fault]
    assert_told(run(ask(play)), reason)


def test_of_a_body_without_an_end_no_more_than_the_bound_is_read(run):
    """The rest is what the system's buffers hold."""
    assert run(ask(say_100_mebibytes)).sent < BODY_BYTES_MAX + SOCKET_BUFFERS_MAX


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


class TestTls:
    @pytest.mark.parametrize(
        ("play", "reason"),
        [
            (refuse_the_handshake, Reason.TLS),
            (say_no_tls, Reason.TLS),
            (reset_the_handshake, Reason.CONNECT),
            (close_in_the_handshake, Reason.CONNECT),
            (hang_in_the_handshake, Reason.TIMEOUT),
        ],
    )
    def test_a_handshake_that_fails_is_told(self, run, authority, play, reason):
        assert_told(run(ask(play, peer_tls=trusting(authority))), reason)

    @pytest.mark.parametrize("what", ["self-signed", "of another authority", "expired", "of another host"])
    def test_a_certificate_that_does_not_vouch_for_the_host_is_refused(self, run, authority, tmp_path, what):
        """Before anything is asked: the request carries the credentials."""
        other = Authority(tmp_path_of(tmp_path, "other"))
        certificate = {
            "self-signed": lambda: self_signed(other),
            "of another authority": lambda: other.issue("server"),
            "expired": lambda: authority.issue("server", expired=True),
            "of another host": lambda: authority.issue("server", hosts=["elsewhere.example.com"]),
        }[what]()
        asked = run(ask(saying(ANSWER), tls=server_with(certificate), peer_tls=trusting(authority)))
        assert_told(asked, Reason.TLS)
        assert asked.requests == 0

    def test_without_a_ca_file_the_systems_authorities_are_asked(self, run, authority):
        asked = run(ask(saying(ANSWER), tls=authority.server()))
        assert_told(asked, Reason.TLS)
        assert asked.requests == 0

    @pytest.mark.parametrize("play", [reset_in_the_body, saying(ANSWER[:-1])])
    def test_a_reply_that_breaks_off_is_told(self, run, authority, play):
        """Also where nothing says that more was to come but its length."""
        assert_told(run(ask(play, tls=authority.server(), peer_tls=trusting(authority))), Reason.UNREADABLE)

    def test_a_certificate_that_does_is_taken(self, run, authority):
        asked = run(ask(saying(ANSWER), tls=authority.server(), peer_tls=trusting(authority)))
        assert (asked.answer.status, asked.answer.body) == (200, b"{}")


def trusting(authority):
    return ssl.create_default_context(cafile=authority.ca_file)


def server_with(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def tmp_path_of(folder, name):
    path = folder / name
    path.mkdir()
    return path


def self_signed(authority):
    """A certificate that vouches for nobody but itself."""
    path = authority.ca_file.with_name("self-signed.pem")
    path.write_bytes(written(authority._key) + authority.ca_file.read_bytes())
    return path


class TestKeptConnections:
    """One grant, one request: whatever has become of a connection since the last answer, nothing is sent twice."""

    @pytest.mark.parametrize("closed", [close, shut_down, reset])
    def test_one_that_was_closed_meanwhile_is_not_used_again(self, run, closed):
        async def story():
            closing = asyncio.Event()

            async def play(line):
                await line.request()
                await line.say(ANSWER)
                closed(line)
                closing.set()
                await line.reader.read()

            return await ask_twice(play, closing)

        first, second, requests = run(story())
        assert (first.status, second.status) == (200, 200)
        assert requests == 2

    @pytest.mark.parametrize("closed", [close, shut_down, reset])
    def test_one_that_is_closed_when_the_request_is_on_its_way_is_not_tried_again(self, run, closed):
        async def play(line):
            await line.request()
            await line.say(ANSWER)
            await line.request()
            closed(line)
            await line.reader.read()

        first, second, requests = run(ask_twice(play))
        assert first.status == 200
        assert second.reason is Reason.RESET
        assert requests == 2

    def test_what_a_server_says_unasked_is_not_taken_for_an_answer(self, run):
        """As a proxy does with 408 before it closes an idle connection."""

        async def story():
            said = asyncio.Event()

            async def play(line):
                await line.request()
                await line.say(ANSWER)
                await line.say(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
                said.set()
                await line.request()
                await line.say(ANSWER)

            return await ask_twice(play, said)

        first, second, _ = run(story())
        assert (first.status, second.status) == (200, 200)


async def ask_twice(play, in_between=None):
    """Both answers, and how many requests came."""
    async with serving(play) as (server, port), open_session(REQUEST_SECONDS) as session:
        zendesk = Transport(Peer(base_url=f"http://127.0.0.1:{port}"), session)
        first = await zendesk.get(POLL)
        if in_between is not None:
            await in_between.wait()
            await asyncio.sleep(0.1)  # what the server did is on its way
        second = await zendesk.get(POLL)
        return first, second, server.requests
