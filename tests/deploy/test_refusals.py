"""What cannot work is refused before anything is installed, with a sentence that says what to do."""

import pytest
from deploy.rendering import RefusedError

SERVER = {"api_keys": [{"name": "orders", "key": "${ORDERS_KEY}"}]}

IMPOSSIBLE = {
    "two replicas on one SQLite file": ("embedded-minimal", {"replicas": 2}, "one SQLite file, which one process"),
    "a mode that grows on one SQLite file": (
        "embedded-minimal",
        {"autoscaling": {"enabled": True}},
        "autoscaling.enabled is true, and in mode embedded there is one pod",
    ),
    "Kafka without brokers": (
        "kafka-gateway",
        {"config": {"kafka": None}},
        "config.kafka.bootstrap_servers is missing",
    ),
    "a ledger that is not the mode's": (
        "embedded-minimal",
        {"config": {"ledger": {"kind": "kafka"}}},
        "config.ledger.kind is kafka and mode is embedded",
    ),
    "a mode that is not the ledger's": (
        "kafka-gateway",
        {"config": {"ledger": {"kind": "sqlite"}}},
        "config.ledger.kind is sqlite and mode is kafka",
    ),
    "an Ingress that lets everybody in": (
        "embedded-ingress",
        {"config": {"server": {"api_keys": []}}},
        "anybody who reaches the Service or the Ingress could call relay",
    ),
    "a route that lets everybody in": (
        "kafka-gateway",
        {"config": {"server": None}},
        "anybody who reaches the Service or the HTTPRoute could call relay",
    ),
    "nothing to watch": ("embedded-minimal", {"config": {"accounts": []}}, "name at least one account"),
    "an image of somebody else": ("embedded-minimal", {"image": {"repository": ""}}, "image.repository is empty"),
    "two folders of accounts": (
        "embedded-ingress",
        {"config": {"accounts_dir": "/accounts"}},
        "config.accounts_dir is where the chart mounts accountsSecret",
    ),
    "another address": (
        "embedded-minimal",
        {"config": {"server": {**SERVER, "listen": "0.0.0.0:80"}}},
        "config.server.listen is said by the chart",
    ),
    "another file": (
        "embedded-minimal",
        {"config": {"ledger": {"path": "/tmp/relay.db"}}},
        "config.ledger.path is said by the chart",
    ),
    "a claim that several pods would share": (
        "kafka-gateway",
        {"storage": {"existingClaim": "mine"}},
        "storage.existingClaim is for mode embedded",
    ),
    "a move to where it is": (
        "embedded-minimal",
        {"migrateFrom": "data-relay-0"},
        "migrateFrom names a record to be moved to Kafka, and mode is embedded",
    ),
    "more pods at the least than at the most": (
        "kafka-autoscaling",
        {"autoscaling": {"minReplicas": 13}},
        "autoscaling.minReplicas is above autoscaling.maxReplicas",
    ),
    "a secret in a ConfigMap": (
        "embedded-minimal",
        {"config": {"server": {"api_keys": [{"name": "orders", "key": "0123456789abcdef"}]}}},
        "config.server.api_keys[0].key is written out",
    ),
    "a secret of a sink in a ConfigMap": (
        "embedded-minimal",
        {"config": {"sinks": [{"name": "a", "kind": "webhook", "secrets": ["${A}", "$${A}"]}]}},
        "config.sinks[0].secrets is written out",
    ),
    "a variable that nobody sets": (
        "embedded-webhook",
        {"config": {"log": {"level": "${LEVEL}"}}},
        "config names ${LEVEL}, which neither env nor envFrom gives",
    ),
    "a file that nobody mounts": (
        "embedded-webhook",
        {"secretFiles": ["relay-keys"]},
        "a file of the Secret relay-webhooks, which is not in secretFiles",
    ),
    "an Ingress for every host": ("embedded-ingress", {"ingress": {"hosts": []}}, "ingress.hosts is empty"),
    "a route without a Gateway": (
        "kafka-gateway",
        {"httpRoute": {"parentRefs": []}},
        "httpRoute.parentRefs is empty",
    ),
    "a value that does not exist": ("embedded-minimal", {"replica": 2}, "replica"),
    "a section that relay does not have": ("embedded-minimal", {"config": {"sink": []}}, "sink"),
    "a mode that does not exist": ("embedded-minimal", {"mode": "postgres"}, "mode"),
}


@pytest.mark.parametrize(("example", "values", "sentence"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_the_impossible_is_refused_with_a_sentence(render, example, values, sentence):
    with pytest.raises(RefusedError) as refused:
        render(example, **values)
    assert sentence in str(refused.value)


def test_all_that_is_wrong_is_told_at_once(helm, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("{replicas: 2}")
    with pytest.raises(RefusedError) as refused:
        helm.render(values)
    for key in ("image.repository", "replicas is 2", "config.server.api_keys", "config.accounts"):
        assert key in str(refused.value)


def test_what_stands_in_an_escape_is_no_reference(render):
    """`$${NAME}` is a literal ${NAME}: nobody has to set it."""
    sink = {"name": "a", "kind": "webhook", "url": "https://a.example.com", "secrets": ["${ACME_SECRET}"]}
    assert render("embedded-webhook", config={"sinks": [{**sink, "headers": {"X-Note": "$${NAME}"}}]})
