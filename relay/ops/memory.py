"""What Python's garbage collector is told of a process that holds very many values for long.

Jobs hold no reference cycles: counting references frees them. The collector only has to find what little garbage
libraries leave, and looking through everything for it took a tenth of the time of a submission and of a start.
"""

import gc

# To have come before it looks at them. With half as many, what a moment's events hold makes it look in vain; with twice
# as many, everybody waits longer for it.
YOUNG_OBJECTS = 100_000
YOUNG_ROUNDS = 1  # after more than so many it looks at what they left; everybody waits meanwhile, for 40 ms or more
OLDER_ROUNDS = 100  # after more than so many of those it looks at everything


def begin_start() -> None:
    """From now on nothing is collected: nearly all that a start makes is there to stay."""
    gc.disable()


def end_start() -> None:
    """What is there by now is never looked at again; what comes from now on is."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, OLDER_ROUNDS)
    gc.enable()
