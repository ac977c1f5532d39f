import asyncio

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from relay.intake.gate import Bounds, Gate, Submission
from relay.intake.problems import Code, Problem
from relay.intake.receiving import JSON_TYPE, body_of, traceparent_of

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


async def test_a_body_that_breaks_off_is_the_clients_fault():
    loop = asyncio.get_running_loop()
    payload = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    request = make_mocked_request("POST", "/v1/jobs", headers={"Content-Type": "application/json"}, payload=payload)
    payload.set_exception(web.RequestPayloadError("400, bad chunk"))
    with Submission(Gate(Bounds())) as submission, pytest.raises(Problem) as caught:
        await body_of(request, submission, Bounds())
    assert (caught.value.status, caught.value.code) == (400, Code.INVALID_JSON)
