"""Times as people write them: `2026-02-03T04:05:06Z`, or how long ago: `90s`, `30m`, `2h`, `7d`."""

import re

from relay.errors import ConfigError
from relay.intake.moments import moment

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
AGO = re.compile(r"(?P<count>\d{1,9})(?P<unit>[smhd])", re.ASCII)


def read(option: str, text: str, now: float) -> float:
    """Seconds since the epoch. Raises ConfigError, which names the `option`: it is no time."""
    ago = AGO.fullmatch(text)
    if ago is not None:
        return max(0.0, now - int(ago["count"]) * UNIT_SECONDS[ago["unit"]])
    try:
        return moment(text)
    except ValueError:
        raise ConfigError(
            f"{option}: {text!r} is no time; write 2026-02-03T04:05:06Z, or 2h for two hours ago"
        ) from None
