"""The jobs that have not ended, in memory as they are committed."""

from collections import Counter
from collections.abc import Iterator, Sequence

from relay.core.delivery import Delivery
from relay.core.job import OTHER, STATE_LABELS, STATES, Job, JobKey
from relay.core.watch import Watch

ACCOUNTS_MAX = 20_000  # of which some have no jobs; those that have may be more


class Live:
    """Watches by account and id, the longest tracked first. `counts`: by (account, state label), for the metrics."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, Watch]] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def get(self, job: JobKey | Job) -> Watch | None:
        """The watch with the same account and id."""
        return self.find(job.account, job.id)

    def find(self, account: str, id_: str) -> Watch | None:
        watches = self._accounts.get(account)
        return None if watches is None else watches.get(id_)

    def load(self, rows: Sequence[tuple[Job, Sequence[Delivery]]]) -> None:
        """Fill from the ledger; once, at start."""
        for job, deliveries in sorted(rows, key=lambda row: row[0].tracked_at):
            watch = self.add(job)
            if deliveries:
                watch.deliveries = {delivery.sink: delivery for delivery in deliveries}

    def add(self, job: Job) -> Watch:
        watch = Watch(job)
        self._accounts.setdefault(job.account, {})[job.id] = watch
        self.counts[job.account, label(job)] += 1
        return watch

    def change(self, watch: Watch, job: Job) -> None:
        """The watch's job has this committed row now; a job that has ended leaves."""
        self.counts[job.account, label(watch.job)] -= 1
        watch.job = job
        if not job.terminal:
            self.counts[job.account, label(job)] += 1
            return
        watch.ended = True
        account = self._accounts[job.account]
        if account.get(job.id) is watch:
            del account[job.id]
        if not account and len(self._accounts) > ACCOUNTS_MAX:
            self._forget(job.account)

    def _forget(self, account: str) -> None:
        """One without jobs. Whoever writes to a topic that jobs come from may name ever new ones."""
        keys = [(account, state) for state in STATE_LABELS]
        if not any(self.counts[key] for key in keys):  # no former incarnation of a job is left, either
            del self._accounts[account]
            for key in keys:
                del self.counts[key]

    def of(self, account: str) -> Iterator[Watch]:
        """The account's watches, the longest tracked first."""
        return iter(self._accounts.get(account, {}).values())

    def accounts(self) -> Sequence[str]:
        """Those that have live jobs."""
        return [name for name, watches in self._accounts.items() if watches]

    def size(self, account: str) -> int:
        return len(self._accounts.get(account, {}))


def label(job: Job) -> str:
    return job.state if job.state in STATES else OTHER
