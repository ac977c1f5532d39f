"""Relay on Kafka, with a broker of its own beside it, each figure with its target.

    PYTHONPATH=tests python -m bench.distributed

Exit code 1 if a target is missed. All servers listen on 127.0.0.1. Needs Java, and Maven where no jars are yet.
"""

import sys
from collections.abc import Iterator

from bench.distributed.flow import flow
from bench.distributed.ownership import ownership
from bench.table import Measurement, show
from kafka import jars
from kafka.broker import running


def measurements() -> Iterator[Measurement]:
    with running(jars.fetch()) as cluster:
        yield from flow(cluster.bootstrap)
        yield from ownership(cluster.bootstrap)


if __name__ == "__main__":
    sys.exit(0 if show(measurements()) else 1)
