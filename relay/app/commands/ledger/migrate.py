"""`relay ledger migrate`: from the SQLite file of a stopped relay to the topic of a Kafka ledger."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from relay.app import kafka, process
from relay.app.migrating import mark_rules
from relay.app.terminal import console, say
from relay.config import Config, load
from relay.config.kafka import KafkaLedger
from relay.errors import ConfigError, RelayError
from relay.kafka.connection import quiet_library
from relay.kafka.failures import ADVICE, KafkaFailure
from relay.ledger.contents import Contents, Counts
from relay.ledger.copying import at_rest
from relay.ledger.kafka.migration import Plan
from relay.ledger.kafka.moving import Report, move
from relay.ledger.kafka.topics import ensure_both

DONE = """\
{jobs:,} jobs ({live:,} of them live), {deliveries:,} deliveries ({pending:,} owed, {dead:,} dead) and {marks:,} marks
are in {partitions} partitions of {topic}, compared row by row.

next:
  relay check --config {config}
  relay serve --config {config}

{source} is as it was: keep it until you are sure, and never start both.
To go back, stop the new relay and start the former configuration: what happened meanwhile it sees or sends again, but
jobs that only the new one was handed are not in the file. docs/operating.md tells how."""


def run(*, source: Path, config: Path, environ: Mapping[str, str]) -> int:
    """Raises RelayError: the topic is not complete, and no relay starts with it; the file is as it was."""
    loaded = load(config, environ)
    if not isinstance(loaded.ledger, KafkaLedger):
        raise ConfigError(f"{config}: ledger.kind: must be kafka: this is where to, and --from names the file")
    quiet_library()
    with at_rest(source) as connection:
        contents = Contents(connection)
        counts, marks = contents.counts(), contents.marks()
        with _shown(counts) as report:
            _migrate(loaded, loaded.ledger, contents, report)
    section = loaded.ledger
    done = DONE.format(
        **counts._asdict(),
        marks=len(marks),
        partitions=section.partitions,
        topic=section.topic,
        config=config,
        source=source,
    )
    say(console(), done)
    return 0


def _migrate(config: Config, section: KafkaLedger, contents: Contents, report: Report) -> None:
    try:
        process.run(_move(config, section, contents, report))
    except KafkaFailure as failure:
        advice = f"; {ADVICE[failure.reason]}" if failure.reason in ADVICE else ""
        raise RelayError(f"{failure}{advice}. Do the same again, and it goes on where it stopped") from failure


async def _move(config: Config, section: KafkaLedger, contents: Contents, report: Report) -> None:
    if config.kafka is None or config.kafka_intake is None:
        raise ConfigError("kafka: is required by ledger.kind kafka")
    connection, count, intake = kafka.connection(config.kafka), section.partitions, config.kafka_intake.topic
    rules = await mark_rules(connection, contents.marks(), intake_topic=intake, partitions=count)
    plan = Plan(contents, rules, count)
    topic = await ensure_both(connection, section.topic, intake, partitions=count)  # or no replica could start
    await move(kafka.partitions(section, connection, topic), plan, report)


@contextmanager
def _shown(counts: Counts) -> Iterator[Report]:
    """A bar for a person, a line per partition for anybody else."""
    out = console()
    if not out.is_terminal:
        yield _lines(lambda line: say(out, line))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        bar = progress.add_task("rows", total=counts.jobs + counts.deliveries)

        def advance(partition: int, rows: int) -> None:
            progress.update(bar, advance=rows, description=f"partition {partition}")

        yield advance


def _lines(tell: Callable[[str], None]) -> Report:
    written = dict[int, int]()

    def report(partition: int, rows: int) -> None:
        written[partition] = written.get(partition, 0) + rows
        if not rows:
            tell(f"partition {partition}: {written[partition]:,} rows, compared")

    return report
