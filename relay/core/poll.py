"""One request that the schedule wants to be sent."""

import math

from msgspec import Struct

from relay.core.bisection import Part
from relay.core.watch import Watch
from relay.core.zendesk import Endpoint, Request


class Poll(Struct, frozen=True, kw_only=True, gc=False):
    """Ask Zendesk about these jobs. `taken_at`: monotonic seconds. `part`: what they are all of or some of, where a
    request that held them came to nothing. `confirms`: complete replies say that the job is not there.
    """

    endpoint: Endpoint
    watches: tuple[Watch, ...]
    taken_at: float = -math.inf
    part: Part | None = None
    confirms: bool = False

    @property
    def request(self) -> Request:
        return Request(endpoint=self.endpoint, ids=tuple(watch.job.id for watch in self.watches))

    @property
    def alone(self) -> bool:
        """About a job that is asked about for itself, so that whatever comes of it concerns nobody else."""
        return self.part is None and (self.endpoint is Endpoint.SHOW or self.watches[0].apart is not None)
