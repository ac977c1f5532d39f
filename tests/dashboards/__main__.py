"""`python -m dashboards FOLDER [MINUTES]`: pictures of the dashboards, from a relay that has been under load so long.

Half way an account's Zendesk fails for a while, and so does a receiver.
"""

import asyncio
import re
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dashboards.picture import Series, draw
from dashboards.prometheus import Prometheus, prometheus
from dashboards.queries import RULES, pages, queries
from dashboards.scene import Scene, failing, scene
from integration.peers import take

POINTS = 240
RATE_SECONDS = 15.0


async def main(folder: Path, seconds: float) -> None:
    program = shutil.which("prometheus")
    if program is None:
        sys.exit("prometheus is not installed")
    with TemporaryDirectory() as data:
        async with scene(Path(data)) as at, prometheus(Path(program), Path(data), at.url, RULES) as server:
            await play(at, seconds)
            courses = await asked(server, seconds)
    for name, page in pages().items():
        draw(page, courses[name], folder / f"dashboard-{name}.png")


async def play(at: Scene, seconds: float) -> None:
    at.audit.answer = take
    await asyncio.sleep(seconds * 0.4)
    at.audit.answer = failing
    await change(at, "demo", "server-errors", "resets")
    await asyncio.sleep(seconds * 0.1)
    await change(at, "demo")
    await asyncio.sleep(seconds * 0.1)
    at.audit.answer = take
    await asyncio.sleep(seconds * 0.4)


async def change(at: Scene, *scenarios: str) -> None:
    """What the first account's Zendesk plays."""
    async with at.session.put(f"{at.accounts[0].url}/simulator/scenario", json={"names": scenarios}) as answer:
        assert answer.status == 200


async def asked(server: Prometheus, seconds: float) -> Mapping[str, Mapping[int, Series]]:
    """The lines of each panel, by page."""
    now = time.time()
    courses: dict[str, dict[int, Series]] = defaultdict(lambda: defaultdict(list))
    for one in queries():
        found = await server.course(one.at_pace(RATE_SECONDS), start=now - seconds, end=now, step=seconds / POINTS)
        courses[one.page][one.panel["id"]] += [
            (
                named(one.legend, series["metric"]),
                [float(at) - now for at, _ in series["values"]],
                [float(value) for _, value in series["values"]],
            )
            for series in found
        ]
    return courses


def named(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], ""), legend)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), 60 * float(sys.argv[2] if len(sys.argv) > 2 else 7)))
