"""What a broker for tests is told: as small as it can be, on loopback only, with a listener for every way to sign in.

See https://kafka.apache.org/documentation/#brokerconfigs
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"

PLAINTEXT, CONTROLLER, SASL, TLS, SASL_TLS = "PLAINTEXT", "CONTROLLER", "SASL", "TLS", "SASL_TLS"
PROTOCOLS: Mapping[str, str] = {
    PLAINTEXT: "PLAINTEXT",
    CONTROLLER: "PLAINTEXT",
    SASL: "SASL_PLAINTEXT",
    TLS: "SSL",
    SASL_TLS: "SASL_SSL",
}

USER, GUEST = "relay", "guest"
"""A user who may do everything, and one who may do nothing. Who comes by PLAINTEXT may do everything, too."""
PASSWORDS: Mapping[str, str] = {USER: "relay-s3cret", GUEST: "guest-s3cret"}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
SCRAM = tuple(mechanism for mechanism in MECHANISMS if mechanism.startswith("SCRAM"))

MODULE = "org.apache.kafka.common.security"
JAAS: Mapping[str, str] = {
    "plain": f"{MODULE}.plain.PlainLoginModule required "
    + " ".join(f'user_{user}="{password}"' for user, password in PASSWORDS.items()),
    "scram-sha-256": f"{MODULE}.scram.ScramLoginModule required",
    "scram-sha-512": f"{MODULE}.scram.ScramLoginModule required",
    # Takes unsigned tokens, which only a test may do.
    "oauthbearer": f'{MODULE}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
}

SMALL: Mapping[str, str] = {
    # The default of 128 MiB does not fit a small heap.
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
    "log.index.size.max.bytes": str(1024 * 1024),
    # Tests wait for compaction.
    "log.cleaner.backoff.ms": "500",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "group.initial.rebalance.delay.ms": "0",
    # One that is killed and started again waits for its former self to be given up.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Tests name the topics they want; what relay does without one is among them.
    "auto.create.topics.enable": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One broker, which is a controller, too. `ports`: by listener. `folder`: for its data and its log."""

    id: int
    ports: Mapping[str, int]
    folder: Path

    def address(self, listener: str) -> str:
        return f"{HOST}:{self.ports[listener]}"


def properties(node: Node, nodes: Sequence[Node], *, keystore: Path, truststore: Path) -> str:
    """The text of the node's `server.properties`. Both stores are PEM files: key with certificate, and authority."""
    replicas = str(len(nodes))
    in_sync = str(min(2, len(nodes)))
    settings = {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        "log.dirs": str(node.folder / "data"),
        **_listeners(node, nodes),
        **SMALL,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        **_tls(keystore, truststore),
        **_sign_in(SASL),
        **_sign_in(SASL_TLS),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{USER};User:CN={USER}",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _listeners(node: Node, nodes: Sequence[Node]) -> Mapping[str, str]:
    addresses = {listener: f"{listener}://{node.address(listener)}" for listener in PROTOCOLS}
    return {
        "listeners": ",".join(addresses.values()),
        "advertised.listeners": ",".join(text for name, text in addresses.items() if name != CONTROLLER),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
        "inter.broker.listener.name": PLAINTEXT,
        "controller.listener.names": CONTROLLER,
        "controller.quorum.voters": ",".join(f"{one.id}@{one.address(CONTROLLER)}" for one in nodes),
    }


def _tls(keystore: Path, truststore: Path) -> Mapping[str, str]:
    """Who comes by TLS alone shows a certificate; who signs in as well need not."""
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(truststore),
        f"listener.name.{TLS.lower()}.ssl.client.auth": "required",
    }


def _sign_in(listener: str) -> Mapping[str, str]:
    name = f"listener.name.{listener.lower()}"
    return {
        f"{name}.sasl.enabled.mechanisms": ",".join(MECHANISMS),
        **{f"{name}.{mechanism}.sasl.jaas.config": f"{module};" for mechanism, module in JAAS.items()},
    }
