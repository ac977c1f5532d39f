"""What a reply means: for the jobs that the request held, and for the account."""

from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from relay.core.bisection import Finding
from relay.core.poll import Poll
from relay.core.schedule import Roster
from relay.core.watch import Watch
from relay.core.zendesk import Endpoint, Reply
from relay.errors import Reason

# An outage, or a job that Zendesk stumbles over or does not show: either has been seen behind each of these.
AMBIGUOUS = frozenset(
    {Reason.SERVER_ERROR, Reason.UNREADABLE, Reason.TIMEOUT, Reason.RESET, Reason.FORBIDDEN, Reason.UNAVAILABLE}
)


class Verdict(Enum):
    """What a reply amounts to."""

    TOLD = auto()  # about all jobs that it was asked for, or some
    NOT_FOUND = auto()  # Zendesk does not know one of them
    ABSENT = auto()  # Zendesk does not know this one, asked for by itself
    TOO_MANY = auto()  # it takes fewer at a time, and says how many
    REFUSED = auto()  # it does not take this request
    FAILED = auto()  # for the sake of a job, or because nothing works
    TURNED_AWAY = auto()  # whatever it held


class Health(Enum):
    """What a reply tells of the account as a whole."""

    WELL = auto()
    UNKNOWN = auto()
    IN_TROUBLE = auto()


class Heard(Struct, frozen=True, kw_only=True, gc=False):
    """What follows from a reply. `gone`: a job that is proven to be absent. `isolated`: one that shares no requests
    from now on, for the reply's reason.
    """

    health: Health
    gone: Watch | None = None
    isolated: Watch | None = None


UNDECIDED = Heard(health=Health.UNKNOWN)


def verdict(poll: Poll, reply: Reply) -> Verdict:
    if poll.endpoint is Endpoint.SHOW and (reply.status == 404 if poll.confirms else reply.reason is Reason.NOT_FOUND):
        # In whatever words where it confirms what complete replies of show_many said; by itself in Zendesk's own.
        return Verdict.ABSENT
    match reply.reason:
        case None | Reason.INCOMPLETE:
            return Verdict.TOLD
        case Reason.NOT_FOUND:
            return Verdict.NOT_FOUND
        case Reason.REFUSED:
            too_many = reply.ids_max is not None and reply.ids_max < len(poll.watches)
            return Verdict.TOO_MANY if too_many else Verdict.REFUSED
        case reason if reason in AMBIGUOUS:
            return Verdict.FAILED
        case _:
            return Verdict.TURNED_AWAY


def hear(roster: Roster, poll: Poll, reply: Reply, now: float, *, in_trouble: bool) -> Heard:
    """Put all jobs of the request back in their places but those that were found: `Roster.looked` does that for them.

    `in_trouble`: the account stands still. `now`: monotonic seconds.
    """
    if reply.reason is None:  # nearly every reply
        return _told(roster, poll, reply, now)
    alone = poll.alone
    heard = _heard(roster, poll, reply, now, in_trouble=in_trouble)
    if alone or poll.watches[0].apart is None:
        return heard
    return replace(heard, isolated=poll.watches[0])


def _heard(roster: Roster, poll: Poll, reply: Reply, now: float, *, in_trouble: bool) -> Heard:
    match verdict(poll, reply):
        case Verdict.TOLD:
            return _told(roster, poll, reply, now)
        case Verdict.ABSENT:
            return _absent(roster, poll, reply, now, in_trouble=in_trouble)
        case Verdict.NOT_FOUND:
            roster.not_found(poll, now)
        case Verdict.TOO_MANY:
            assert reply.ids_max is not None  # noqa: S101 - so says the verdict
            roster.too_many(poll, reply.ids_max, now)
        case Verdict.REFUSED:
            if roster.refused(poll, now) is Finding.IN_DOUBT:
                return Heard(health=Health.IN_TROUBLE)
        case Verdict.FAILED:
            in_doubt = roster.failed(poll, now, reply.retry_after_seconds or 0.0) is Finding.IN_DOUBT
            return Heard(health=Health.IN_TROUBLE) if in_doubt else UNDECIDED
        case Verdict.TURNED_AWAY:
            roster.turned_away(poll, now)
            return Heard(health=Health.IN_TROUBLE)
    return Heard(health=_well_unless_in_doubt(roster))


def _well_unless_in_doubt(roster: Roster) -> Health:
    # That Zendesk shows a job by itself does not prove that show_many works again.
    return Health.UNKNOWN if roster.in_doubt else Health.WELL


def _told(roster: Roster, poll: Poll, reply: Reply, now: float) -> Heard:
    complete, found = reply.reason is None, reply.found
    if not complete and not found:  # somebody else's reply, or nothing that can be read
        roster.dissolve(poll, now)
        return UNDECIDED
    roster.answered(poll, now)
    if len(found) < len(poll.watches):
        unseen = [watch for watch in poll.watches if watch.job.id not in found]
        if complete:
            for watch in unseen:
                roster.missing(watch, now)
        else:  # only a complete reply tells that a job is not there
            roster.put_back(unseen, now)
    return Heard(health=_well_unless_in_doubt(roster))


def _absent(roster: Roster, poll: Poll, reply: Reply, now: float, *, in_trouble: bool) -> Heard:
    (watch,) = poll.watches
    gone = None
    if poll.part is not None:  # a probe
        roster.answered(poll, now)
        roster.not_shown(watch, now)
    elif in_trouble:  # a help desk that is gone answers 404 to everything
        roster.put_back((watch,), now)
    elif not poll.confirms:
        roster.not_shown(watch, now)
    elif roster.confirmed_missing(watch, now):
        gone = watch
    in_own_words = reply.reason is Reason.NOT_FOUND
    return Heard(health=_well_unless_in_doubt(roster) if in_own_words else Health.UNKNOWN, gone=gone)
