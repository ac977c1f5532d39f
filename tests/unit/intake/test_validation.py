import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from relay.intake.problems import Code
from relay.intake.validation import FAULTS_MAX, faults, unknown


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    counts: dict[str, int] = {}


def found(value, index=None, prefix=""):
    with pytest.raises(ValidationError) as caught:
        Thing.model_validate(value)
    return [(fault.pointer, fault.detail) for fault in faults(caught.value, ("name", "counts"), index, prefix)]


def test_a_fault_points_to_its_place_and_says_what_is_wrong():
    assert found({}) == [("/name", "name: required")]
    assert found({"name": 7}, 3, "/things/3") == [("/things/3/name", "name: input should be a valid string")]
    assert found({"name": "a", "counts": {"a/b": "x"}})[0][0] == "/counts/a~1b"


def test_beside_the_body_there_is_nothing_to_point_to():
    assert found({"name": 7}, None, None)[0][0] is None


def test_a_long_name_is_cut_and_not_pointed_to():
    ((pointer, detail),) = found({"name": "a", "x" * 1000: 1})
    assert pointer == ""
    assert len(detail) < 200


def test_the_faults_of_one_object_are_bounded():
    assert len(found({str(n): n for n in range(10)})) == FAULTS_MAX
    ((pointer, detail),) = found({str(n): n for n in range(10_000)}, 0, "/things/0")
    assert (pointer, detail) == ("/things/0", "10001 faults in one object; allowed: name, counts")


def test_every_fault_has_a_code_and_its_item():
    with pytest.raises(ValidationError) as caught:
        Thing.model_validate({})
    (fault,) = faults(caught.value, (), 7, "")
    assert (fault.code, fault.index) == (Code.INVALID_FIELD, 7)


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all():
    assert unknown("nmae", ("name", "counts")) == "not known here; did you mean name?"
    assert unknown("zzz", ("name", "counts")) == "not known here; allowed: name, counts"
