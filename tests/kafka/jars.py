"""Apache Kafka's published jars, fetched once through Maven and kept outside the work tree.

The versions stand in pom.xml. Maven verifies the checksums, and keeps its own copies where it always does.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from kept import NotFetchedError, cache, kept, said

POM = Path(__file__).with_name("pom.xml")
FETCH_SECONDS_MAX = 300


def home() -> Path:
    """Where the jars are kept: `RELAY_KAFKA_JARS`, else a folder for this version in the user's cache."""
    chosen = os.environ.get("RELAY_KAFKA_JARS")
    return Path(chosen) if chosen else cache() / f"kafka-{version()}"


def version() -> str:
    found = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text())
    assert found is not None
    return found[1]


def fetched() -> bool:
    """Whether the folder is there; it appears complete or not at all."""
    return home().is_dir()


def fetch() -> Path:
    """The folder with the jars, fetched if it is not there yet, by `mvn`. Raises NotFetchedError."""
    return kept(home(), _copied)


def _copied(scratch: Path) -> Path:
    jars = scratch / "jars"
    command = ("mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", str(POM))
    goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}")
    done = subprocess.run(
        (*command, *goal), capture_output=True, text=True, check=False, timeout=FETCH_SECONDS_MAX, cwd=scratch
    )
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise NotFetchedError("\n".join(lines[:3]) or done.stderr[-1000:])
    return jars


def main() -> None:
    """`make test` begins with this, so that a person sees why it takes a while, or what will be skipped."""
    lacking = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if fetched() and "java" not in lacking:
        return
    if lacking:
        print(f"Without {' and '.join(lacking)} the tests that need a Kafka broker are skipped.", flush=True)
        return
    print(f"Fetching Apache Kafka {version()} with Maven to {home()} (once) …", flush=True)
    said(fetch, "The tests that need a Kafka broker are skipped.")


if __name__ == "__main__":
    main()
