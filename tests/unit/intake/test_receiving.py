import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from relay.intake.receiving import JSON_TYPE, traceparent_of

VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json ;",
    ],
)
def test_json_is_known_by_its_media_type(media_type):
    assert JSON_TYPE.fullmatch(media_type)


@pytest.mark.parametrize(
    "media_type",
    ["", "text/json", "application/jsonp", "application/json; charset=utf-16", "application/x-www-form-urlencoded"],
)
def test_nothing_else_passes_for_json(media_type):
    assert not JSON_TYPE.fullmatch(media_type)


def traceparent(*values):
    headers = CIMultiDict(("Traceparent", value) for value in values)
    return traceparent_of(make_mocked_request("POST", "/v1/jobs", headers=headers))


def test_a_valid_trace_context_is_carried():
    assert traceparent(VALID) == VALID


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        (VALID, VALID),
        (VALID.upper(),),
        (VALID + "-00",),
        (VALID[:-1],),
        (VALID + "\n",),
        (VALID.replace("00-", "ff-", 1),),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01",),
        ("00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",),
    ],
)
def test_any_other_trace_context_is_left_out(values):
    assert traceparent(*values) is None
