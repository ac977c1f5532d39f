"""The image, built and run without a container engine: buildah with chroot isolation, on a base made by debootstrap."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = "bookworm"
IN_BASE = "python3,python3-venv,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs")
STEP_SECONDS_MAX = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildah:
    """`buildah` with a storage of its own in `folder`; `program`: its path."""

    program: Path
    folder: Path

    def run(self, *arguments: str) -> str:
        """What it prints. Raises CalledProcessError with what it said."""
        ended = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS_MAX,
            check=False,
        )
        assert ended.returncode == 0, f"buildah {arguments[0]}: {ended.stderr[-3_000:]}"
        return ended.stdout.strip()

    def command(self, *arguments: str) -> list[str]:
        places = ("--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"))
        return [str(self.program), *places, *arguments]

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def base(self, debootstrap: Path) -> str:
        """The name of an image with Debian's Python and nothing else."""
        tree = self.folder / "tree"
        subprocess.run(
            [str(debootstrap), "--variant=minbase", f"--include={IN_BASE}", SUITE, str(tree)],
            capture_output=True,
            timeout=STEP_SECONDS_MAX,
            check=True,
        )
        container = self.run("from", "scratch")
        self.run("add", "--quiet", container, str(tree), "/")
        self.run("commit", "--quiet", "--rm", container, "base")
        return "localhost/base"

    def build(self, base: str) -> str:
        """The name of relay's image on this base. This machine's certificates are lent to pip while it builds."""
        self.run(
            "build",
            "--quiet",
            "--no-cache",
            "--format=docker",
            "--network=host",
            "--timestamp=0",
            f"--build-arg=BASE={base}",
            f"--volume={CERTIFICATES}:{CERTIFICATES}:ro",
            "--tag=relay",
            ".",
        )
        return "localhost/relay"

    @contextmanager
    def container(self, image: str) -> Iterator[str]:
        name = self.run("from", image)
        try:
            yield name
        finally:
            self.run("rm", name)

    @contextmanager
    def running(self, container: str, *command: str, options: tuple[str, ...], log: Path) -> Iterator[subprocess.Popen]:  # type: ignore[type-arg]
        """A command in the container; what it prints goes to `log`. Killed at the end if it still runs."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command("run", *options, container, "--", *command),
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield process
            finally:
                for one in (*descendants(process.pid), process.pid):
                    kill(one)
                process.wait()


def descendants(pid: int) -> list[int]:
    """The children of a process, their children and so on, the innermost first."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except FileNotFoundError:
        return []
    return [one for child in children for one in (*descendants(child), child)]


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
