"""Relay's own code takes the configuration that the chart renders: chart and relay cannot drift apart."""

import base64
import hashlib
import re

import pytest
import yaml
from deploy.rendering import EXAMPLES, configuration, containers, pod, pods

from relay.app.arguments import parser
from relay.app.commands import check
from relay.config import load

ACCOUNT = {"name": "globex", "base_url": "https://globex.zendesk.com", "auth": {"kind": "bearer", "token": "${TOKEN}"}}

COMMANDS = {"relay": "serve", "check": "check", "migrate": "ledger.migrate"}

every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def secret(name):
    """Good for a key, a token and a webhook's secret, and another one for each name."""
    return "whsec_" + base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


class Machine:
    """A folder that stands for the pod: what is mounted below /etc/relay and /data is below it."""

    def __init__(self, manifests, folder):
        self.folder = folder
        self.text = configuration(manifests)
        (relay,) = pod(manifests)["containers"]
        names = re.findall(r"\$\{([A-Za-z_]\w*)\}", self.text) if relay.get("envFrom") else ()
        self.environ = {name: secret(name) for name in (*names, *(one["name"] for one in relay["env"]), "TOKEN")}
        for mount in relay["volumeMounts"]:
            self.place(mount["mountPath"]).mkdir(parents=True)
        for path in re.findall(r"/etc/relay/secrets/[\w./-]+", self.text):
            self.place(path).write_text(secret(path))
        accounts = self.place("/etc/relay/accounts")
        if accounts.is_dir():
            (accounts / "globex.yaml").write_text(yaml.safe_dump(ACCOUNT))
        self.config = self.place(next(one["value"] for one in relay["env"] if one["name"] == "RELAY_CONFIG"))
        self.config.write_text(re.sub(r"(?<![\w.])/(etc/relay|data)", rf"{folder}/\1", self.text))

    def place(self, path):
        return self.folder / path.removeprefix("/")


@pytest.fixture
def machine(helm, example, tmp_path):
    return Machine(helm.render(example), tmp_path)


@every_example
def test_relay_takes_the_configuration_that_is_rendered(machine):
    config = load(machine.config, machine.environ)
    assert config.accounts
    assert config.server.api_keys
    assert (config.server.listen.port, config.server.metrics_listen.port) == (8080, 9090)
    assert str(config.ledger.path).startswith(f"{machine.folder}/data")


@every_example
def test_relay_check_finds_nothing_wrong(machine, capsys):
    """As the init container runs it."""
    code = check.run(config=machine.config, environ=machine.environ, offline=True, account=None)
    assert code == 0, capsys.readouterr().out


@every_example
def test_relay_knows_the_commands_that_its_containers_run(helm, example):
    for container in containers(*pods(helm.render(example))):
        found = parser({}).parse_args([str(argument) for argument in container["args"]])
        assert found.command == COMMANDS[container["name"]]


@every_example
def test_no_secret_is_in_a_manifest(helm, example):
    manifests = helm.render(example)
    assert not [manifest for manifest in manifests if manifest["kind"] == "Secret"]
    for key, value in re.findall(r"\b(key|token|client_secret|sasl_password): (.+)", configuration(manifests)):
        assert "${" in value, key


def test_what_is_written_is_what_relay_gets(render):
    """Large numbers stay whole, references and escapes stay as they are, and the mode says where the record is."""
    written = {"events": {"max_bytes": 1048576}, "log": {"level": "${LEVEL:-debug}"}, "sinks": []}
    rendered = yaml.safe_load(configuration(render("embedded-minimal", config=written)))
    assert rendered["events"] == {"max_bytes": 1048576}
    assert rendered["log"] == {"level": "${LEVEL:-debug}"}
    assert rendered["sinks"] == []
    assert rendered["ledger"] == {"kind": "sqlite", "path": "/data/relay.db"}
    rendered = yaml.safe_load(configuration(render("kafka-gateway", config={"ledger": {"partitions": 3}})))
    assert rendered["ledger"] == {"kind": "kafka", "path": "/data", "partitions": 3}


def test_a_change_of_the_configuration_rolls_the_pods(render):
    def checksum(**config):
        (workload,) = (one for one in render("embedded-minimal", config=config) if one["kind"] == "StatefulSet")
        return workload["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum() == checksum()
    assert checksum() != checksum(log={"level": "debug"})


@pytest.mark.parametrize(("host", "expected"), [("0.0.0.0", "0.0.0.0:8080"), ("[::]", "[::]:8080")])
def test_it_listens_where_it_is_told(render, host, expected):
    rendered = yaml.safe_load(configuration(render("embedded-minimal", listenHost=host)))
    assert rendered["server"]["listen"] == expected
