"""What is installed: the wheel and the locked dependencies."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = PROJECT["dependencies"]
EVERYTHING = [*RUNTIME, *PROJECT["optional-dependencies"]["dev"]]
LOCKS = {"requirements.lock": RUNTIME, "requirements-dev.lock": EVERYTHING}


def pins(lock):
    """Each pinned package with its version."""
    text = (ROOT / lock).read_text()
    return {name: Version(version) for name, version in re.findall(r"^([a-z0-9._-]+)==([^ \\;]+)", text, re.MULTILINE)}


@pytest.mark.parametrize(("lock", "requirements"), LOCKS.items())
def test_a_lock_satisfies_what_the_project_asks_for(lock, requirements):
    """If not: `make lock`."""
    pinned = pins(lock)
    for requirement in map(Requirement, requirements):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, requirement
        assert requirement.specifier.contains(version), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash_and_no_lock_names_a_host(lock):
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    assert [
        entry for entry in entries if not re.match(r"[a-z0-9._-]+==\S+ (; .+ )?\\\n {4}--hash=sha256:", entry)
    ] == []
    assert "://" not in text
    assert "--index" not in text


def test_what_the_tests_fetch_with_npm_is_pinned_alike():
    """`npm install --package-lock-only` in that folder renews the lock, and obeys the folder's .npmrc."""
    lock = json.loads((ROOT / "tests/receiving/package-lock.json").read_text())
    project = lock["packages"].pop("")
    entries = lock["packages"].values()
    assert project["dependencies"] == json.loads((ROOT / "tests/receiving/package.json").read_text())["dependencies"]
    assert [entry for entry in entries if not entry["integrity"].startswith("sha512-")] == []
    assert not any("resolved" in entry for entry in entries)


def test_what_is_installed_to_develop_is_what_is_installed_to_run():
    developed = pins("requirements-dev.lock")
    assert {name: developed.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")


def test_the_wheel_holds_the_package_its_licence_and_the_annotated_configuration(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        assert wheel.read("relay/config/config.yaml") == (ROOT / "config.yaml").read_bytes()
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "relay").rglob("*.py")}
    assert sources <= set(names)
    assert "relay/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if not name.startswith(("relay/", "zendesk_job_relay-"))]
