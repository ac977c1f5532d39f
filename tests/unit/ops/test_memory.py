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


def test_however_much_is_made_a_collection_looks_at_little_of_it():
    """Reading thousands of accounts again makes hundreds of thousands of objects, while everybody else waits."""
    looked_at = []

    def looking(phase, info):
        if phase == "start":
            looked_at.append(sum(len(gc.get_objects(each)) for each in range(info["generation"] + 1)))

    memory.begin_start()
    memory.end_start()
    gc.callbacks.append(looking)
    kept = [[] for _ in range(30 * memory.YOUNG_OBJECTS)]
    gc.callbacks.remove(looking)
    assert len(looked_at) > len(kept) / memory.YOUNG_OBJECTS / 2
    assert max(looked_at) < 4 * memory.YOUNG_OBJECTS
