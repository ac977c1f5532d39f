import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from relay.ops.series import LINES_AT_ONCE, Distribution, Family, written

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\\"\n{},= '), max_size=20)
NUMBERS = st.floats(allow_nan=False)
BOUNDS = (0.5, 1, 2.5)


def samples(text):
    """What the library reads: by name and labels."""
    families = text_string_to_metric_families(text)
    return {
        (family.name, family.type, family.documentation, sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")  # unless somebody in this process has told the library not to
    }


@given(st.dictionaries(st.tuples(ANY_TEXT, ANY_TEXT), NUMBERS, min_size=1, max_size=5))
def test_gauges_are_read_as_those_of_the_client_library(values):
    registry = CollectorRegistry()
    library = Gauge("g", "A text", ("one", "other"), registry=registry)
    for key, value in values.items():
        library.labels(*key).set(value)
    ours = Family(name="g", kind="gauge", text="A text", labels=("one", "other"))
    assert samples("".join(ours.lines(values.items()))) == samples(generate_latest(registry).decode())


@given(st.lists(NUMBERS | st.sampled_from(BOUNDS), max_size=20), st.sampled_from([(), ("account",)]))
def test_histograms_are_read_as_those_of_the_client_library(observed, labels):
    registry = CollectorRegistry()
    library = Histogram("h", "A text", labels, buckets=BOUNDS, registry=registry)
    key = tuple("acme" for _ in labels)
    ours = Distribution(BOUNDS)
    for value in observed:
        (library.labels(*key) if labels else library).observe(value)
        ours.observe(value)
    family = Family(name="h", kind="histogram", text="A text", labels=labels)
    theirs = samples(generate_latest(registry).decode())
    mine = samples("".join(family.histogram_lines([(key if labels else (), ours)])))
    if not labels or observed:  # the library tells of a series from its first `labels` on
        assert mine == pytest.approx(theirs, nan_ok=True)


@given(st.lists(st.tuples(st.floats(0, 5) | st.sampled_from(BOUNDS), st.integers(1, 3)), max_size=20))
def test_values_that_are_observed_together_count_as_one_by_one(observed):
    alone, counted, together = (Distribution(BOUNDS) for _ in range(3))
    values = [value for value, count in observed for _ in range(count)]
    for value in values:
        alone.observe(value)
    for value, count in observed:
        counted.observe(value, count)
    together.observe_all(values)
    for one in (counted, together):
        assert list(one.cumulative()) == list(alone.cumulative())
        assert one.sum == pytest.approx(alone.sum)


def test_a_family_without_series_is_told_by_its_head():
    family = Family(name="g", kind="gauge", text="A text")
    assert list(family.lines([])) == ["# HELP g A text\n# TYPE g gauge\n"]


async def test_while_a_long_page_is_written_everybody_else_has_a_turn_after_a_few_lines():
    lines = [f"{number}\n" for number in range(5 * LINES_AT_ONCE)]
    taken = 0

    def taking():
        nonlocal taken
        for line in lines:
            taken += 1
            yield line

    writing = asyncio.create_task(written(taking()))
    steps = []
    while not writing.done():
        before = taken
        await asyncio.sleep(0)
        steps.append(taken - before)
    assert await writing == "".join(lines).encode()
    assert max(steps) == LINES_AT_ONCE
