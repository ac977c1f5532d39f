"""The image from the Dockerfile: what is in it, and that it runs as a container does, without an engine."""

import json
import os
import signal
import socket
import time
import urllib.request

import pytest
from integration.images import ROOT, Buildah, descendants

USER = 10001
START_SECONDS_MAX = 30.0
GRACE_SECONDS = 30.0  # Kubernetes' own, between SIGTERM and SIGKILL

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def buildah(require, lacking, tmp_path_factory):
    if os.geteuid() != 0:
        lacking("the image can be built by root only, for want of an engine")
    return Buildah(program=require("buildah"), folder=tmp_path_factory.mktemp("buildah"))


@pytest.fixture(scope="module")
def image(buildah, require):
    return buildah.build(buildah.base(require("debootstrap")))


@pytest.fixture
def container(buildah, image):
    with buildah.container(image) as name:
        yield name


def inside(buildah, container, *command):
    return buildah.run("run", container, "--", *command)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answer_of(url, body=None):
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status, json.load(answer)


def ready(url, log):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            return answer_of(f"{url}/readyz")
        except OSError:
            time.sleep(0.1)  # nobody tells from within a container
    raise AssertionError(log.read_text())


def test_it_starts_with_the_shipped_configuration_takes_a_job_and_ends_at_sigterm(buildah, container, tmp_path):
    """As under Kubernetes: the configuration mounted read-only, one writable volume, SIGTERM to relay itself."""
    data, log, port = tmp_path / "data", tmp_path / "log", free_port()
    data.mkdir()
    os.chown(data, USER, USER)
    options = (
        f"--volume={(ROOT / 'config.yaml').resolve()}:/etc/relay/config.yaml:ro",
        f"--volume={data}:/data",
        f"--env=RELAY_LISTEN=127.0.0.1:{port}",
    )
    url = f"http://127.0.0.1:{port}"
    with buildah.running(container, "relay", "serve", options=options, log=log) as process:
        assert ready(url, log)[0] == 200
        status, answer = answer_of(f"{url}/v1/jobs", b'{"id": "V3-1"}')
        assert (status, answer["jobs"][0]["result"]) == (202, "created")
        relay = descendants(process.pid)[0]
        os.kill(relay, signal.SIGTERM)
        process.wait(timeout=GRACE_SECONDS)
        assert process.returncode == 0, log.read_text()
    assert [entry["event"] for entry in map(json.loads, log.read_text().splitlines())][-1] == "service.stopped"
    assert (data / "relay.db").stat().st_uid == USER


def test_on_all_addresses_it_asks_for_keys(buildah, container):
    """The image listens on all addresses, so the shipped configuration alone does not open it to everybody."""
    log = buildah.folder / "refused"
    options = (f"--volume={(ROOT / 'config.yaml').resolve()}:/etc/relay/config.yaml:ro",)
    with buildah.running(container, "relay", "serve", options=options, log=log) as process:
        assert process.wait(timeout=START_SECONDS_MAX) != 0
    assert "api_keys" in log.read_text()


def test_it_runs_as_nobody_who_matters_and_can_write_to_data_only(buildah, container):
    assert inside(buildah, container, "id", "-u") == str(USER)
    find = "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/dev/*' 2>/dev/null; true"
    found = inside(buildah, container, "sh", "-c", find)
    assert {path for path in found.splitlines() if not path.startswith(("/tmp", "/var/tmp", "/run/lock"))} == {"/data"}


def test_nothing_that_builds_is_in_it(buildah, container):
    listed = inside(buildah, container, "sh", "-c", "ls /opt/relay/bin /opt/relay/lib/python3*/site-packages")
    assert not {"pip", "hatchling", "setuptools", "wheel"} & set(listed.split())
    assert "gcc" not in inside(buildah, container, "sh", "-c", "ls /usr/bin /usr/local/bin").split()


def test_it_says_what_it_is(buildah, image):
    config = json.loads(buildah.run("inspect", "--type=image", image))["Docker"]["config"]
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == (f"{USER}:{USER}", ["relay"], ["serve"])
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert inside_version(buildah, image) == f"relay {config['Labels']['org.opencontainers.image.version']}"


def inside_version(buildah, image):
    with buildah.container(image) as container:
        return inside(buildah, container, "relay", "--version")


def test_equal_sources_make_equal_images(buildah, image):
    """Reproducible from the lock: built again, without what was kept of the first time."""
    first = json.loads(buildah.run("inspect", "--type=image", image))["Docker"]["rootfs"]
    again = buildah.build("localhost/base")
    assert json.loads(buildah.run("inspect", "--type=image", again))["Docker"]["rootfs"] == first
