from relay.app.commands.demo import summary
from relay.app.demo.board import Board


def test_the_summary_is_short_lines():
    board = Board()
    board.handed_in({"id": "V3-1", "total": 3}, 0.0)
    board.handed_in({"id": "V3-2", "total": 3}, 0.0)
    items = {"total": 3, "succeeded": 2, "failed": 1}
    board.received(
        {"data": {"job_id": "V3-1", "outcome": "partially_failed", "items": items, "job_status": None}}, 10.0
    )
    assert summary(board, asked=12, now=20.0).splitlines() == [
        "2 jobs tracked, 1 events delivered",
        "1 partially failed, 1 still running",
        "12 requests to Zendesk; each job by itself, once a second: 30",
    ]
