from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.interpolation import FILE_BYTES_MAX, expand, read_text

ENVIRON = {"NAME": "value", "EMPTY": "", "HOSTILE": "${NAME} ${file:/etc/passwd} $${"}
FILES = {"/run/secrets/x": "from file\n", "/run/secrets/two": "a\n\n", "/run/secrets/dos": "a\r\n"}


def expanded(text):
    return expand(text, ENVIRON, lambda path: FILES[str(path)])


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${NAME}", "value"),
        ("a ${NAME} b ${NAME}", "a value b value"),
        ("${EMPTY}", ""),
        ("${NAME:-other}", "value"),
        ("${UNSET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${UNSET:-}", ""),
        ("${UNSET:-http://host:80/a b}", "http://host:80/a b"),
        ("${file:/run/secrets/x}", "from file"),
        ("${file:/run/secrets/two}", "a\n"),
        ("${file:/run/secrets/dos}", "a"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME $ {NAME} {NAME} $", "$NAME $ {NAME} {NAME} $"),
    ],
)
def test_references_are_replaced(text, result):
    assert expanded(text).text == result
    assert not expanded(text).problems


def test_substituted_text_is_not_expanded_again():
    assert expanded("${HOSTILE}").text == ENVIRON["HOSTILE"]


@given(st.text())
def test_any_value_comes_through_as_it_is(value):
    assert expand("<${X}>", {"X": value}, read_text).text == f"<{value}>"


@given(st.text(alphabet="${}:-aN"))
def test_any_text_can_be_written_by_doubling_the_dollar(text):
    assert expand(text.replace("${", "$${"), {}, read_text).text == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${UNSET}", "needs the environment variable UNSET, which is not set"),
        ("${}", "has ${}, which is not ${NAME}"),
        ("${1A}", "has ${1A}, which is not ${NAME}"),
        ("${NAME-x}", "has ${NAME-x}, which is not ${NAME}"),
        ("${NAME", "has a ${ without its }"),
        ("${A:-${NAME}}", "has a reference inside a reference"),
        ("${file:}", "has ${file:} without a path"),
    ],
)
def test_what_cannot_be_replaced_is_told(text, problem):
    (told,) = expanded(text).problems
    assert told.startswith(problem)


def test_all_problems_of_a_string_are_told():
    assert len(expanded("${A} ${B} ${NAME}").problems) == 2


def test_what_was_substituted_is_told_without_its_value():
    result = expanded("${NAME:-secret}/${file:/run/secrets/x}")
    assert result.sources == ("${NAME}", "${file:/run/secrets/x}")


@pytest.mark.parametrize(
    ("text", "whole"), [("${NAME}", True), ("${A:-x}", True), ("${NAME} ", False), ("$${NAME}", False), ("x", False)]
)
def test_a_reference_that_is_all_there_is_is_known(text, whole):
    assert expanded(text).whole is whole


def test_a_file_that_cannot_be_read_is_a_problem_that_names_it(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    for path, reason in [
        (tmp_path / "absent", "which cannot be read: No such file or directory"),
        (tmp_path, "which cannot be read: Is a directory"),
        (binary, "which is not UTF-8 text"),
        (large, f"which cannot be read: larger than {FILE_BYTES_MAX} bytes"),
    ]:
        assert expand(f"${{file:{path}}}", {}, read_text).problems == (f"needs the file {path}, {reason}",)


def test_files_are_read_through_what_is_given():
    """So that a caller can tell which files a configuration depends on."""
    seen = []

    def read(path):
        seen.append(path)
        return "x"

    assert expand("${file:/a}${file:b}", {}, read).text == "xx"
    assert seen == [Path("/a"), Path("b")]
