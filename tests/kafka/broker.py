"""Brokers as processes: made, started, killed and started again, and gone without a trace at the end."""

import base64
import os
import random
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka.certificates import Certificates, make
from kafka.settings import HOST, PASSWORDS, PLAINTEXT, PROTOCOLS, SCRAM, USER, Node, properties

START_SECONDS_MAX = 120
STARTED = "Kafka Server started"
LOG_CHARACTERS_SHOWN = 4_000

# Below the ports that systems give to outgoing connections: a client that tries and tries to reach a broker that is
# away would otherwise reach itself some day, and keep the broker from its port.
PORTS = range(20_000, 30_000)

JVM = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)


class Broker:
    """One node as a process of its own."""

    def __init__(self, node: Node, jars: Path) -> None:
        self.node = node
        self._java = ("java", *JVM, "-cp", f"{jars}/*")
        self._settings = str(node.folder / "server.properties")
        self._log = node.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def format(self, settings: str, cluster_id: str) -> None:
        """Make its data folder, once."""
        Path(self._settings).write_text(settings)
        users = [
            f"--add-scram={mechanism}=[name={user},password={password}]"
            for mechanism in SCRAM
            for user, password in PASSWORDS.items()
        ]
        tool = ("kafka.tools.StorageTool", "format", "--config", self._settings, f"--cluster-id={cluster_id}")
        done = subprocess.run((*self._java, *tool, *users), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def runs(self) -> bool:
        return self._process is not None

    def launch(self) -> None:
        """Begin to start. What it has to say goes into a log of its own."""
        assert self._process is None, "it runs already"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (*self._java, "kafka.Kafka", self._settings), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait(self) -> None:
        """Until it has started."""
        assert self._process is not None
        give_up_at = time.monotonic() + START_SECONDS_MAX
        while STARTED not in self._log.read_text(errors="replace"):
            assert self._process.poll() is None, f"the broker has ended: {self._tail()}"
            assert time.monotonic() < give_up_at, f"the broker does not start: {self._tail()}"
            time.sleep(0.05)

    def start(self) -> None:
        self.launch()
        self.wait()

    def kill(self) -> None:
        """As by `kill -9`. What it has acknowledged is in the system's page cache, and there when it starts again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It holds its connections and answers nothing, as a machine that hangs."""
        self._signal(signal.SIGSTOP)
        if self._process is not None:
            os.waitpid(self._process.pid, os.WUNTRACED)  # until it has stopped

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-LOG_CHARACTERS_SHOWN:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Brokers that run. `bootstrap`: their addresses, separated by commas."""

    bootstrap: str
    brokers: Sequence[Broker]
    certificates: Certificates


@contextmanager
def running(jars: Path, count: int = 1) -> Iterator[Cluster]:
    """So many brokers on free ports of this machine; killed at the end, and their data removed."""
    with TemporaryDirectory(prefix="relay-kafka-") as folder, ExitStack() as stack:
        certificates = make(Path(folder), host=HOST, client=USER)
        nodes = _nodes(count, Path(folder))
        brokers = [Broker(node, jars) for node in nodes]
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for broker in brokers:
            settings = properties(broker.node, nodes, keystore=certificates.server, truststore=certificates.authority)
            broker.format(settings, cluster_id)
            stack.callback(broker.kill)
        for broker in brokers:
            broker.launch()  # each waits for most of the others
        for broker in brokers:
            broker.wait()
        bootstrap = ",".join(node.address(PLAINTEXT) for node in nodes)
        yield Cluster(bootstrap=bootstrap, brokers=brokers, certificates=certificates)


def _nodes(count: int, folder: Path) -> list[Node]:
    """With ports that are chosen together, since nobody listens at any of them before all are chosen."""
    ports = iter(free_ports(count * len(PROTOCOLS)))
    nodes = [
        Node(id=number, ports={protocol: next(ports) for protocol in PROTOCOLS}, folder=folder / f"node-{number}")
        for number in range(1, count + 1)
    ]
    for node in nodes:
        node.folder.mkdir()
    return nodes


def free_ports(count: int) -> list[int]:
    """Nobody listens there now. Chosen at random, so that runs side by side hardly ever meet."""
    found: list[int] = []
    for port in random.sample(PORTS, k=len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")
