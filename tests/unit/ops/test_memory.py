import gc

import pytest

from relay.ops import memory


@pytest.fixture(autouse=True)
def _as_before():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_nothing_is_collected_during_a_start():
    memory.begin_start()
    assert not gc.isenabled()


def test_what_a_start_made_is_not_looked_at_again_and_later_garbage_is_collected():
    memory.begin_start()
    early = [[]]
    memory.end_start()
    later = [[]]
    watched = {id(each) for each in gc.get_objects()}
    assert id(early) not in watched
    assert id(later) in watched
    assert gc.isenabled()
