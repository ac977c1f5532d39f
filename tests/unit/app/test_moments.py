import pytest

from relay.app.moments import read
from relay.errors import ConfigError

NOW = 1_770_105_600.0  # 2026-02-03T08:00:00Z


@pytest.mark.parametrize(("text", "seconds"), [
    ("90s", NOW - 90),
    ("30m", NOW - 1_800),
    ("2h", NOW - 7_200),
    ("7d", NOW - 604_800),
    ("999999999d", 0.0),
    ("2026-02-03T08:00:00Z", NOW),
    ("2026-02-03T09:00:00.5+01:00", NOW + 0.5),
])  # fmt: skip
def test_a_time_is_a_moment_or_so_long_ago(text, seconds):
    assert read("--since", text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "h", "2w", "-2h", "2 h", "2026-02-03", "2026-02-03T08:00:00", "now"])
def test_what_is_not_clear_is_refused(text):
    with pytest.raises(ConfigError, match=r"--since: .* is no time"):
        read("--since", text, NOW)
