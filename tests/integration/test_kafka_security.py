"""Every way to sign in, at a broker that insists on it; and what a person is told who is kept out."""

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from integration.kafka_house import bus, ended, item, reads, relay_on
from integration.processes import write_config
from kafka.settings import GUEST, PASSWORDS, SASL, SASL_TLS, TLS, USER

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure, told
from relay.kafka.producer import Record
from relay.kafka.publisher import NotPublished, Publisher


class Silent:
    def info(self, event, /, **fields): ...

    def warning(self, event, /, **fields): ...

    def error(self, event, /, **fields): ...


def token(subject):
    """An unsigned one, which the tests' broker takes."""

    def part(claims):
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    now = time.time()
    return f"{part({'alg': 'none'})}.{part({'sub': subject, 'iat': now, 'exp': now + 600})}."


@pytest.fixture
def connect(kafka_cluster):
    """A connection's settings to a listener of the broker."""
    [broker] = kafka_cluster.brokers
    certificates = kafka_cluster.certificates
    protocols = {SASL: "SASL_PLAINTEXT", TLS: "SSL", SASL_TLS: "SASL_SSL"}

    def connect(listener, **settings):
        if "TLS" in listener:
            settings = {"ssl_cafile": certificates.authority} | settings
        return Connection(
            bootstrap_servers=(broker.node.address(listener),), security_protocol=protocols[listener], **settings
        )

    return connect


async def published(connection, topic):
    publisher = Publisher(connection, Silent())
    try:
        await publisher.publish(Record(topic=topic, key=b"key", value=b"value"))
    finally:
        await publisher.close()


async def kept_out(connection):
    """Why: reason and words."""
    with pytest.raises(KafkaFailure) as raised, told():
        await connection.reach()
    return raised.value.reason, raised.value.detail


@pytest.mark.parametrize("listener", [SASL, SASL_TLS])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_user_with_a_password_gets_in(connect, topics, listener, mechanism):
    topic = await topics.create("events")
    user = {"sasl_username": USER, "sasl_password": PASSWORDS[USER]}
    await published(connect(listener, sasl_mechanism=mechanism, **user), topic)
    assert [record.value for record in await topics.read(topic, 1)] == [b"value"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_with_a_wrong_password_nobody_gets_in_and_it_is_not_told(connect, mechanism):
    user = {"sasl_username": USER, "sasl_password": "wr0ng-s3cret"}
    reason, detail = await kept_out(connect(SASL, sasl_mechanism=mechanism, **user))
    assert reason is Reason.UNAUTHORIZED
    assert "wr0ng-s3cret" not in detail + repr(connect(SASL, sasl_mechanism=mechanism, **user))


async def test_the_token_of_the_moment_is_read_whenever_a_connection_signs_in(connect, topics, tmp_path):
    topic, file = await topics.create("events"), tmp_path / "token"
    connection = connect(SASL_TLS, sasl_mechanism="OAUTHBEARER", sasl_oauth_token_file=file)
    assert (await kept_out(connection))[0] is Reason.UNAUTHORIZED
    file.write_text("not a token")
    assert (await kept_out(connection))[0] is Reason.UNAUTHORIZED
    file.write_text(token(USER) + "\n")
    await published(connection, topic)
    assert len(await topics.read(topic, 1)) == 1


async def test_a_certificate_of_our_own_gets_in_where_it_is_asked_for(connect, kafka_cluster, topics):
    topic, ours = await topics.create("events"), kafka_cluster.certificates
    both = {"ssl_certfile": ours.client_certificate, "ssl_keyfile": ours.client_key}
    await published(connect(TLS, **both), topic)
    assert len(await topics.read(topic, 1)) == 1
    reason, _ = await kept_out(connect(TLS))
    assert reason in {Reason.TLS, Reason.RESET}


async def test_a_broker_whose_authority_is_not_trusted_is_not_talked_to(connect):
    user = {"sasl_mechanism": "PLAIN", "sasl_username": USER, "sasl_password": PASSWORDS[USER]}
    reason, detail = await kept_out(connect(SASL_TLS, ssl_cafile=None, **user))
    assert (reason, detail.startswith("certificate: ")) == (Reason.TLS, True)


async def test_the_name_in_the_certificate_counts_unless_it_is_told_not_to(connect, topics):
    """The broker's certificate is for 127.0.0.1."""
    topic = await topics.create("events")
    user = {"sasl_mechanism": "PLAIN", "sasl_username": USER, "sasl_password": PASSWORDS[USER]}
    [address] = connect(SASL_TLS, **user).bootstrap_servers
    elsewhere = (address.replace("127.0.0.1", "localhost"),)
    settings = {**user, "ssl_cafile": connect(SASL_TLS).ssl_cafile, "security_protocol": "SASL_SSL"}
    reason, _ = await kept_out(Connection(bootstrap_servers=elsewhere, **settings))
    assert reason is Reason.TLS
    await published(Connection(bootstrap_servers=elsewhere, ssl_check_hostname=False, **settings), topic)


async def test_the_wrong_protocol_is_told_from_the_wrong_password(connect, kafka_cluster):
    [broker] = kafka_cluster.brokers
    plain = Connection(bootstrap_servers=(broker.node.address(SASL_TLS),))
    assert (await kept_out(plain))[0] in {Reason.RESET, Reason.TIMEOUT}
    tls = Connection(bootstrap_servers=(broker.node.address(SASL),), security_protocol="SSL")
    assert (await kept_out(tls))[0] in {Reason.TLS, Reason.RESET}


async def test_who_may_not_write_is_told_so(connect, topics, monkeypatch):
    monkeypatch.setattr("relay.kafka.publisher.PUBLISH_SECONDS_MAX", 2.0)
    topic = await topics.create("events")
    user = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": GUEST, "sasl_password": PASSWORDS[GUEST]}
    with pytest.raises(NotPublished) as raised:
        await published(connect(SASL_TLS, **user), topic)
    assert raised.value.reason is Reason.FORBIDDEN


def secured(kafka_cluster, user):
    """The section of a configuration, as a person writes it."""
    [broker] = kafka_cluster.brokers
    return {
        "bootstrap_servers": broker.node.address(SASL_TLS),
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": user,
        "sasl_password": PASSWORDS[user],
        "ssl_cafile": str(kafka_cluster.certificates.authority),
    }


async def test_a_whole_relay_works_signed_in(tmp_path, kafka_cluster, kafka, topics):
    """Intake, the offsets for lag tools, dead letters and events, each by its own client."""
    intake, dead, events = [await topics.create(purpose) for purpose in ("intake", "dead", "events")]
    sections = {"kafka": secured(kafka_cluster, USER), "intake": reads(intake, dead), "sinks": [bus(events)]}
    async with relay_on(tmp_path, kafka, **sections) as (house, relay):
        statuses = await house.start_jobs(5, fate="succeeded", work_seconds=0.2)
        await topics.produce(intake, b"junk", *(item(job_status=status) for status in statuses))
        assert ended(await topics.read(events, 5)) == {status["id"] for status in statuses}
        assert len(await topics.read(dead, 1)) == 1
        assert [one["event"] for one in relay.complaints()] == ["intake.dead_letters"]
        assert PASSWORDS[USER] not in str(relay.log)


def check(folder: Path, **sections):
    """What `relay check` says, by lines, and its exit code."""
    account = {"name": "acme", "base_url": "http://127.0.0.1:9", "allow_http": True}
    config = write_config(folder, accounts=[account | {"auth": {"kind": "bearer", "token": "demo"}}], **sections)
    command = [sys.executable, "-m", "relay", "check", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    about_us = ("kafka", "intake", "sink", "ledger intake", "ledger ledger")
    return [line for line in done.stdout.splitlines() if line[9:].startswith(about_us) or "->" in line]


async def test_check_tells_what_it_found_of_brokers_and_topics(tmp_path, kafka, topics):
    intake, events = await topics.create("intake", partitions=3), await topics.create("events")
    sections = {"kafka": {"bootstrap_servers": kafka}, "intake": reads(intake, "absent"), "sinks": [bus(events)]}
    lines = [line for line in check(tmp_path, **sections) if "->" not in line]
    assert lines[0].startswith(f"ok       kafka {kafka}: lets us in")
    assert lines[1:] == [
        f"ok       intake kafka: topic {intake} is there, with 3 partitions",
        "warning  intake dead letters: there is no topic absent",
        f"ok       sink bus: topic {events} is there, with 1 partitions",
    ]
    assert "absent" not in await topics.names(), "nothing is created by looking"


async def test_check_tells_whether_a_ledger_can_be_kept_there(tmp_path, kafka, topics):
    intake, ledger = await topics.create("intake", partitions=2), await topics.create("ledger", partitions=2)
    absent = f"{ledger}-absent"
    for name, partitions, line in (
        (ledger, 2, f"failed   ledger ledger: topic {ledger}: cleanup.policy is delete, and must be exactly compact"),
        (absent, 2, f"warning  ledger ledger: there is no topic {absent}: create it, with 2 partitions and cleanup"),
        (absent, 3, f"failed   ledger intake: topic {intake}: it has 2 partitions, and must have 3: an account"),
    ):
        section = {"kind": "kafka", "topic": name, "partitions": partitions, "path": str(tmp_path)}
        sections = {"kafka": {"bootstrap_servers": kafka}, "intake": reads(intake, "absent"), "ledger": section}
        assert any(one.startswith(line) for one in check(tmp_path, **sections))
    assert absent not in await topics.names()


async def test_check_tells_who_may_not_get_in_or_write(tmp_path, kafka_cluster, kafka, topics):
    events = await topics.create("events")
    wrong = secured(kafka_cluster, USER) | {"sasl_password": "wr0ng-s3cret"}
    told_wrong = check(tmp_path, kafka=wrong, sinks=[bus(events)])
    assert any(line.startswith("failed   kafka") and "unauthorized" in line for line in told_wrong)
    told_guest = check(tmp_path, kafka=secured(kafka_cluster, GUEST), sinks=[bus(events)])
    assert any(line.startswith("failed   sink bus") for line in told_guest)
    assert "wr0ng-s3cret" not in str(told_wrong)
