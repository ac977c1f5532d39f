from relay.app.demo.board import JOBS_KEPT, Board


def status(job_id, **fields):
    return {"id": job_id, "job_type": "Bulk Create Ticket", "status": "queued", "total": 20, **fields}


def event(job_id, outcome=None, items=(None, None), **fields):
    counts = {"total": 20, "succeeded": items[0], "failed": items[1]}
    return {"data": {"job_id": job_id, "outcome": outcome, "items": counts, "job_status": status(job_id, **fields)}}


def test_a_job_is_shown_as_its_newest_event_tells():
    board = Board()
    board.handed_in(status("V3-1"), 0.0)
    board.received(event("V3-1", status="working", progress=7), 1.0)
    [row] = board.newest(5)
    assert (row.state, row.progress, row.total, row.outcome) == ("working", 7, 20, None)
    board.received(event("V3-1", "partially_failed", (19, 1), status="completed", progress=20), 2.0)
    [row] = board.newest(5)
    assert (row.state, row.outcome, row.succeeded, row.failed) == ("completed", "partially_failed", 19, 1)


def test_the_newest_jobs_come_first_and_the_oldest_are_let_go():
    board = Board()
    for number in range(JOBS_KEPT + 5):
        board.handed_in(status(f"V3-{number}"), 0.0)
    assert [row.id for row in board.newest(2)] == [f"V3-{JOBS_KEPT + 4}", f"V3-{JOBS_KEPT + 3}"]
    assert len(list(board.newest(10 * JOBS_KEPT))) == JOBS_KEPT
    assert board.tracked == JOBS_KEPT + 5


def test_the_figures():
    board = Board()
    for number in range(3):
        board.handed_in(status(f"V3-{number}"), 0.0)
    board.received(event("V3-0", status="working"), 1.0)
    board.received(event("V3-0", "succeeded", (20, 0)), 4.0)
    board.received(event("V3-1", "failed", (0, 20)), 6.0)
    assert (board.tracked, board.running, board.delivered) == (3, 1, 3)
    assert board.outcomes == {"succeeded": 1, "failed": 1}
    assert board.watched_seconds(10.0) == 4.0 + 6.0 + 10.0


def test_an_event_that_comes_before_its_job_was_noted_is_counted():
    board = Board()
    board.received(event("V3-1", "succeeded", (20, 0)), 1.0)
    assert (board.delivered, list(board.newest(1))) == (1, [])
