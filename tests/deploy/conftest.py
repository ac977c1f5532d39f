import itertools
import json
from pathlib import Path

import pytest
import yaml
from deploy.rendering import EXAMPLES, Helm
from kept import NotFetchedError

from deploy import tools

EXAMPLE = {path.stem: path for path in EXAMPLES}


@pytest.fixture(scope="session")
def fetch(require, lacking):
    """Calls a function of `tools`: its result, or the test lacks it."""

    def fetched(function, *arguments):
        if not tools.fetched():
            require("go")
        try:
            return function(*arguments)
        except NotFetchedError as error:
            lacking(f"it cannot be fetched: {error}")

    return fetched


@pytest.fixture(scope="session")
def helm(fetch):
    return Helm(program=fetch(tools.helm))


@pytest.fixture(scope="session")
def schema(fetch):
    """The published schema of that name."""

    def schema_of(name):
        path: Path = fetch(tools.schema, name)
        return json.loads(path.read_text()) if path.suffix == ".json" else yaml.safe_load(path.read_text())

    return schema_of


@pytest.fixture
def render(helm, tmp_path):
    """Renders an example, named by its stem, with further values."""
    numbers = itertools.count()

    def rendered(example, **values):
        file = tmp_path / f"values-{next(numbers)}.yaml"
        file.write_text(yaml.safe_dump(values))
        return helm.render(EXAMPLE[example], file)

    return rendered
