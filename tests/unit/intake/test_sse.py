import pytest

from relay.intake import sse


def test_an_event_has_its_cursor_its_type_and_its_data_on_one_line_each():
    assert (
        sse.event("WzFd", "zendesk.job.lost", b'{"id":1}') == b'id: WzFd\nevent: zendesk.job.lost\ndata: {"id":1}\n\n'
    )


def test_the_opening_tells_from_where_on_to_come_back_and_when_and_nothing_else():
    assert sse.opening("WzFd") == b"retry: 2000\nid: WzFd\n\n"


@pytest.mark.parametrize(("cursor", "written"), [(None, b": still here\n\n"), ("WzFd", b": still here\nid: WzFd\n\n")])
def test_a_comment_may_tell_a_place_too(cursor, written):
    assert sse.comment("still here", cursor) == written
