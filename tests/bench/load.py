"""Load over HTTP from a process of its own, cheaper than what it loads: prepared bytes, raw sockets, one epoll.

    python tests/bench/load.py PORT CONNECTIONS JOBS_PER_REQUEST REQUESTS

Prints the requests that were answered per second. Every answer must be a 202 of the same length.
"""

import itertools
import os
import select
import socket
import sys
import time
from collections.abc import Callable

import orjson

HEAD = b"POST /v1/jobs HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"


def body_of(jobs: int, number: int, prefix: str) -> bytes:
    items = [{"id": f"{prefix}{number * jobs + n:022x}"} for n in range(jobs)]
    return orjson.dumps(items[0] if jobs == 1 else {"jobs": items})


def requests(jobs: int) -> Callable[[int], bytes]:
    """The n-th request, with ids that no other process and no other call uses. All have the same length."""
    prefix = f"V3-{os.urandom(5).hex()}"

    def request(number: int) -> bytes:
        body = body_of(jobs, number, prefix)
        return HEAD % len(body) + body

    return request


def answer_length(connection: socket.socket) -> int:
    answer = b""
    while END_OF_HEAD not in answer:
        answer += connection.recv(65536)
    head, _, rest = answer.partition(END_OF_HEAD)
    assert head.startswith(b"HTTP/1.1 202"), answer
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(rest) < length:
        rest += connection.recv(65536)
    return len(head) + len(END_OF_HEAD) + length


def load(port: int, connections: int, jobs: int, count: int) -> float:
    """Requests answered per second, each connection sending its next request when the answer is there."""
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    request, numbers = requests(jobs), itertools.count()
    for one in opened:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.sendall(request(next(numbers)))
    length = {answer_length(one) for one in opened}.pop()
    prepared = [request(next(numbers)) for _ in range(count)]
    with select.epoll() as poll:
        for one in opened:
            poll.register(one, select.EPOLLIN)
        began = time.perf_counter()
        exchange(poll, {one.fileno(): one for one in opened}, prepared, length)
        return count / (time.perf_counter() - began)


def exchange(poll: select.epoll, opened: dict[int, socket.socket], requests: list[bytes], length: int) -> None:
    missing = dict.fromkeys(opened, length)
    for one in opened.values():
        one.sendall(requests.pop())
    answers = len(requests) + len(opened)
    while answers:
        for descriptor, _ in poll.poll():
            missing[descriptor] -= len(opened[descriptor].recv(65536))
            if missing[descriptor] > 0:
                continue
            assert not missing[descriptor], "an answer of another length"
            missing[descriptor] = length
            answers -= 1
            if requests:
                opened[descriptor].sendall(requests.pop())


if __name__ == "__main__":
    print(load(*map(int, sys.argv[1:])))
