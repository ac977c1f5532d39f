"""The compose file, as far as it can be checked without a container engine: everything it refers to is there, and what
runs in its containers, run as processes, brings a job from start to webhook.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
import yaml
from aiohttp.test_utils import unused_port
from kafka import jars

from relay.app.arguments import parser
from relay.app.commands import check
from relay.config import load
from relay.config.models import KafkaLedger, SqliteLedger
from relay.ledger.kafka.topics import RULES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text()
PROFILES = ("embedded", "kafka")
ARRIVES_SECONDS_MAX = 60.0
ENDS_SECONDS_MAX = 30.0

REFERENCE = re.compile(r"\$\{(\w+):-([^}]*)\}")
COMPOSE = yaml.safe_load(REFERENCE.sub(r"\2", TEXT))  # as where no variable is set
SERVICES = COMPOSE["services"]


def mounts(name):
    """(source, target, options) of each."""
    for mount in SERVICES[name].get("volumes", ()):
        source, target, *options = mount.split(":")
        yield source, target, options


def started_with(profile):
    return {name for name, service in SERVICES.items() if profile in service.get("profiles", [profile])}


def configuration(profile):
    """The file that is relay's configuration in this profile."""
    (name,) = (name for name in started_with(profile) if SERVICES[name].get("command") == ["serve"])
    (source,) = (source for source, target, _ in mounts(name) if target == "/etc/relay/config.yaml")
    return FOLDER / source


def environ_of(name, **further):
    """The environment of a service on this image."""
    return {"RELAY_LISTEN": "0.0.0.0:8080", **SERVICES[name]["environment"], **further}


def test_it_is_a_compose_file(schema):
    """By the schema that Compose itself has."""
    found = schema("compose")
    jsonschema.validators.validator_for(found)(found).validate(COMPOSE)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_starts_needs_nothing_else(profile):
    names = started_with(profile)
    for name in names:
        assert set(SERVICES[name].get("depends_on", ())) <= names


def test_whoever_must_be_healthy_can_tell():
    for service in SERVICES.values():
        needed = service.get("depends_on", {})
        for name in needed:
            if "test" not in SERVICES[name].get("healthcheck", {}):
                assert not isinstance(needed, dict) or needed[name]["condition"] != "service_healthy"


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_mounted_exists_and_is_only_read(name):
    for source, _, options in mounts(name):
        if source.startswith("."):
            assert (FOLDER / source).exists()
            assert options == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_listens_but_for_this_machine(name):
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


def test_relay_knows_every_command():
    commands = {
        name: parser({}).parse_args(service["command"]).command
        for name, service in SERVICES.items()
        if service["image"] == "localhost/relay" and "command" in service
    }
    assert commands == {"relay": "serve", "relay-kafka": "serve", "zendesk": "simulate", "receiver": "receive"}


def test_relay_knows_every_variable_of_its_own():
    known = parser({}).format_help() + (ROOT / "Dockerfile").read_text() + (FOLDER / "jobs.py").read_text()
    known += "".join(configuration(profile).read_text() for profile in PROFILES)
    known += (ROOT / "relay" / "app" / "arguments.py").read_text()
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert name in known or not name.startswith("RELAY")


def test_the_readme_has_every_variable_that_may_be_set():
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", (FOLDER / "README.md").read_text(), re.MULTILINE))
    assert set(rows) == {name for name, _ in REFERENCE.findall(TEXT)}
    for name, default in REFERENCE.findall(TEXT):
        assert rows[name] in {f"`{default}`", "a sample"}


@pytest.mark.parametrize(("profile", "kind"), [("embedded", SqliteLedger), ("kafka", KafkaLedger)])
def test_relay_takes_both_configurations(profile, kind, tmp_path):
    environ = environ_of("relay", RELAY_DATA=str(tmp_path))
    assert isinstance(load(configuration(profile), environ).ledger, kind)
    assert check.run(config=configuration(profile), environ=environ, offline=True, account=None) == 0


def test_the_image_of_kafka_is_of_the_version_that_tests_run_against():
    assert SERVICES["kafka"]["image"].endswith(f":{jars.version()}")
    assert SERVICES["topics"]["image"] == SERVICES["kafka"]["image"]


def test_topics_are_made_as_relay_wants_them(tmp_path):
    """By the script that is mounted, with a kafka-topics.sh that writes down how it is called."""
    calls = tmp_path / "calls"
    tool = tmp_path / "kafka-topics.sh"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    tool.chmod(0o755)
    environ = {**SERVICES["topics"]["environment"], "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", ROOT / "deploy" / "topics.sh"], env=environ, check=True)
    made = {re.search(r"--topic (\S+)", call)[1]: call for call in calls.read_text().splitlines()}
    config = load(configuration("kafka"), environ_of("relay-kafka", RELAY_DATA="/data"))
    topics = {config.ledger.topic, config.intake.kafka.topic, config.intake.kafka.dead_letter_topic, "relay.events"}
    assert set(made) == topics
    for topic in (config.ledger.topic, config.intake.kafka.topic):
        assert f"--partitions {config.ledger.partitions} --replication-factor 1" in made[topic]
    settings = dict(re.findall(r"--config (\S+)=(\S+)", made[config.ledger.topic]))
    for setting, rule in RULES.items():
        assert rule.allows(settings[setting]), setting


def test_prometheus_takes_its_configuration_and_the_rules(require, tmp_path):
    """Laid out as they are mounted, and looked at by Prometheus' own tool."""
    for source, target, _ in mounts("prometheus"):
        place = tmp_path / target.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (FOLDER / source).is_dir() else shutil.copy)(FOLDER / source, place)
    config = tmp_path / "etc" / "prometheus" / "prometheus.yml"
    looked = subprocess.run(
        [require("promtool"), "check", "config", config], capture_output=True, text=True, check=False
    )
    assert looked.returncode == 0, looked.stdout + looked.stderr
    for rules in (ROOT / "deploy" / "chart" / "files" / "alerts").glob("*.yaml"):
        assert f"Checking {config.parent / 'rules' / rules.name}\n  SUCCESS" in looked.stdout


def test_prometheus_asks_every_relay():
    (scraped,) = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (found,) = scraped["dns_sd_configs"]
    assert found["names"] == ["relay"]
    assert SERVICES["relay-kafka"]["networks"]["default"]["aliases"] == ["relay"]
    assert {port.rpartition(":")[2] for port in SERVICES["relay"]["ports"]} == {str(found["port"])}


def test_grafana_finds_prometheus_and_the_dashboards():
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"]
    (provider,) = yaml.safe_load((FOLDER / "grafana" / "dashboards.yaml").read_text())["providers"]
    assert provider["options"]["path"] in {target for _, target, _ in mounts("grafana")}


class Trial:
    """The services of the profile `embedded` that are relay's, as processes on loopback."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: unused_port() for name in ("relay", "zendesk", "receiver")}

    def environ(self, name):
        own = {"RELAY_LISTEN": f"127.0.0.1:{self.ports['relay']}", "RELAY_DATA": str(self.folder), "SECONDS": "0.1"}
        given = SERVICES[name].get("environment", {}).items()
        return {**os.environ, "PYTHONUNBUFFERED": "1", **own, **{key: self.here(value) for key, value in given}}

    def here(self, text):
        """The text, with the names of the services made addresses of this machine."""
        return re.sub(r"http://(\w+):\d+", lambda found: f"http://127.0.0.1:{self.ports[found[1]]}", text)

    def command(self, name):
        """Of the container, listening on this machine only."""
        found = [argument.replace("0.0.0.0", "127.0.0.1") for argument in SERVICES[name]["command"]]
        if name in {"zendesk", "receiver"}:
            found += ["--port", str(self.ports[name])]
        if name == "zendesk":
            found += ["--scenario", "fast"]
        return [sys.executable, "-m", "relay", *found]

    def output(self, name):
        return (self.folder / f"{name}.log").read_text()

    @contextmanager
    def running(self, name, *command):
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(command, env=self.environ(name), stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(ENDS_SECONDS_MAX) in {0, -signal.SIGTERM}, self.output(name)
        finally:
            process.kill()
            process.wait()

    def until(self, name, text):
        """Wait until the service has printed this."""
        deadline = time.monotonic() + ARRIVES_SECONDS_MAX
        while text not in self.output(name):
            assert time.monotonic() < deadline, {each: self.output(each)[-2000:] for each in (*self.ports, "jobs")}
            time.sleep(0.05)  # nobody tells


def test_a_job_gets_from_its_start_to_the_receiver(tmp_path):
    trial = Trial(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(trial.here(configuration("embedded").read_text()))
    with (
        trial.running("zendesk", *trial.command("zendesk")),
        trial.running("receiver", *trial.command("receiver")),
        trial.running("relay", *trial.command("relay"), "--config", str(config)),
        trial.running("jobs", sys.executable, str(FOLDER / "jobs.py")),
    ):
        trial.until("jobs", '"created"')
        trial.until("receiver", "demo/")
