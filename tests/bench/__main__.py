"""The benchmarks: each with its target, beside a floor that is measured in the same run.

    PYTHONPATH=tests python -m bench

Exit code 1 if a target is missed. All servers listen on 127.0.0.1. Linux.
"""

import sys
from collections.abc import Iterator

from bench.accounts import polled
from bench.backup import backup
from bench.deliveries import deliveries
from bench.reply import nothing_new
from bench.scale import many_jobs
from bench.submissions import submissions
from bench.table import Measurement, show
from bench.trouble import trouble
from bench.waiting import waiting


def measurements() -> Iterator[Measurement]:
    yield from submissions()
    yield nothing_new()
    yield from polled()
    yield from many_jobs()
    yield from deliveries()
    yield from trouble()
    yield from waiting()
    yield from backup()


if __name__ == "__main__":
    sys.exit(0 if show(measurements()) else 1)
