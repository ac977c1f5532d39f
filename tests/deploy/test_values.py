"""The values, their schema and their table say the same, and what they repeat of relay is as relay has it."""

import json
import re
from typing import get_args

import pytest
import yaml
from deploy.rendering import CHART, EXAMPLES
from pydantic import BaseModel, SecretStr

from relay import __version__
from relay.config import Config

DEFAULT_CHARACTERS_MAX = 40  # longer ones are not repeated in the table

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
HELMS_OWN = {"global"}  # which helm gives to every chart


def leaves(schema, values, path=""):
    """(path, default) of everything that may be set, as the schema has it."""
    for name, section in schema["properties"].items():
        if name in HELMS_OWN:
            continue
        if "properties" in section and values[name]:
            yield from leaves(section, values[name], f"{path}{name}.")
        else:
            yield f"{path}{name}", values[name]


def names(schema):
    return {name for name in schema["properties"] if name not in HELMS_OWN}


def sections(schema, values):
    yield schema, values
    for name, section in schema["properties"].items():
        if name not in HELMS_OWN and "properties" in section and values[name]:
            yield from sections(section, values[name])


def test_the_schema_knows_every_value_and_no_other():
    for schema, values in sections(SCHEMA, VALUES):
        assert names(schema) == set(values)
        assert schema["additionalProperties"] is False


def test_the_table_has_every_value_with_its_default():
    rows = re.findall(
        r"^\| `([^`]+)` \| (?:`([^`]*)`|…) \| (?:.+ )?\|$", (CHART / "README.md").read_text(), re.MULTILINE
    )
    defaults = {path: json.dumps(default) for path, default in leaves(SCHEMA, VALUES)}
    shown = {path: text if len(text) <= DEFAULT_CHARACTERS_MAX else "" for path, text in defaults.items()}
    assert dict(rows) == shown
    assert len(rows) == len(shown)


def test_the_chart_is_of_the_version_of_relay():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


def test_the_schema_has_the_sections_of_the_configuration():
    assert set(SCHEMA["properties"]["config"]["properties"]) == set(Config.model_fields)


def test_a_drain_has_the_time_that_it_may_take():
    """30 s, Kubernetes' own default, is what relay's tests hold a drain to."""
    assert VALUES["terminationGracePeriodSeconds"] - VALUES["preStopSeconds"] >= 30


def secrets(model, seen):
    """The names of all keys whose values relay never prints."""
    for name, field in model.model_fields.items():
        for kind in kinds(field.annotation):
            if kind is SecretStr:
                yield name
            elif isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
                seen.add(kind)
                yield from secrets(kind, seen)


def kinds(annotation):
    yield annotation
    for argument in get_args(annotation):
        yield from kinds(argument)


def test_the_chart_knows_which_keys_are_secrets():
    """All but headers and proxies, of which only some are."""
    (text,) = re.findall(r"\$secret := list (.+?) -}}", (CHART / "templates" / "_faults.tpl").read_text())
    assert set(re.findall(r'"(\w+)"', text)) == set(secrets(Config, set())) - {"headers", "proxy"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_which_secrets_it_needs(example):
    """With the command that makes each, and each key that it names."""
    text = example.read_text()
    values = yaml.safe_load(text)
    made = {name: text[text.index(name) :] for name in re.findall(r"create secret generic ([\w-]+)", text)}
    used = {*values.get("secretFiles", ()), *filter(None, [values.get("accountsSecret")])}
    used |= {source["secretRef"]["name"] for source in values.get("envFrom", ())}
    used |= {variable["valueFrom"]["secretKeyRef"]["name"] for variable in values.get("env", ())}
    assert used == set(made)
    for name in values.get("envFrom", ()) and re.findall(r"\$\{(\w+)\}", yaml.safe_dump(values)):
        assert f"--from-literal={name}=" in text
    for name, key in re.findall(r"/etc/relay/secrets/([\w-]+)/([\w.-]+)", yaml.safe_dump(values)):
        assert re.search(rf"--from-(literal|file)={re.escape(key)}\b", made[name])
