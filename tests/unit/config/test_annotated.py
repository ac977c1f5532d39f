"""The annotated file is what `relay init` writes, what the repository shows, and the documentation of every key."""

import re
from pathlib import Path

from relay.config import Config, annotated, load
from relay.core.job import EventType

ROOT = Path(__file__).parents[3]


def keys_of(schema, definitions):
    """Every (key) path of a JSON schema's objects, as (section, key)."""
    for name, definition in definitions.items():
        for key in definition.get("properties", {}):
            yield name, key
    for key in schema["properties"]:
        yield "Config", key


def test_the_file_in_the_repository_is_the_one_in_the_package():
    assert (ROOT / "config.yaml").read_text() == annotated()


def test_every_key_of_the_models_is_in_the_file():
    schema = Config.model_json_schema()
    written = set(re.findall(r"[a-z][a-z_0-9]*(?=:(?:\s|$))", annotated()))
    missing = [f"{section}.{key}" for section, key in keys_of(schema, schema["$defs"]) if key not in written]
    assert not missing


def test_every_choice_of_the_models_is_in_the_file():
    """Kinds, formats, scopes, mechanisms: whatever has a closed set of words names all of them."""
    schema = Config.model_json_schema()
    words = set(re.findall(r"[A-Za-z][A-Za-z0-9_+/-]*", annotated()))
    missing = [choice for choice in choices_of(schema) if choice not in words and choice not in set(EventType)]
    assert not missing


def choices_of(schema):
    if isinstance(schema, dict):
        yield from schema.get("enum", [])
        if "const" in schema:
            yield schema["const"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from choices_of(inner)


def test_it_runs_as_it_stands(tmp_path):
    """Loopback, one account at the simulator's address, everything to the console, SQLite."""
    path = tmp_path / "config.yaml"
    path.write_text(annotated())
    config = load(path, {})
    (account,) = config.accounts
    (sink,) = config.sinks
    assert config.server.listen.loopback
    assert (account.name, account.base_url, account.auth.kind) == ("demo", "http://127.0.0.1:8090", "bearer")
    assert (sink.name, sink.kind, sink.events) == ("console", "log", frozenset(EventType))
    assert (config.ledger.kind, config.ledger.path) == ("sqlite", "./relay.db")


EXAMPLE = re.compile(r"^(?P<indent> *)# (?:- )?(?P<key>[a-z_]+):(?: .*)?$|^(?P<item> *)# - .*$")


def examples(text):
    """The file once for each commented-out example: un-commented, and without the line that it is an alternative to."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if match := EXAMPLE.match(line):
            indent = match["indent"] if match["item"] is None else match["item"]
            end = number + 1
            while end < len(lines) and lines[end].startswith(f"{indent}#   "):
                end += 1
            example = [indent + commented.removeprefix(f"{indent}# ") for commented in lines[number:end]]
            yield "\n".join([*without(lines[:number], indent, match["key"]), *example, *lines[end:]])


def without(lines, indent, key):
    """The lines but for the newest one that sets the key at this indentation, with what is nested in it."""
    starts = [number for number, line in enumerate(lines) if line.startswith(f"{indent}{key}:")]
    if not starts:
        return lines
    end = starts[-1] + 1
    while end < len(lines) and lines[end].startswith(f"{indent} "):
        end += 1
    return lines[: starts[-1]] + lines[end:]


def test_its_examples_are_valid(tmp_path):
    """A person who un-comments an example gets a configuration that loads, with Kafka where the example needs it."""
    text = annotated().replace("\nkafka: null", "\nkafka: {bootstrap_servers: 'kafka:9092'}")
    environ = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", text), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    path = tmp_path / "config.yaml"
    variants = list(examples(text))
    for variant in variants:
        path.write_text(variant)
        load(path, environ, files_in=lambda _: ())
    assert len(variants) > 10


def test_all_that_it_shows_is_there():
    """A key that the models take works: the file says of none that it does not."""
    assert "not available" not in annotated()
