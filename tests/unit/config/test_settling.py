"""Which version of each file holds, where accounts of several files are at odds."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from relay.config.folder import AccountFile
from relay.config.settling import Found, settle

MAIN = Path("config.yaml")


def version(*names):
    """A version of a file that claims these names; what accounts it holds does not matter here."""
    return AccountFile(accounts=(), claims={("name", name): f"line of {name}" for name in names})


def settled(**found):
    outcome = settle(MAIN, (), {Path(name): one for name, one in found.items()})
    names = {path.name: sorted(name for _, name in file.claims) for path, file in outcome.files.items()}
    return names, {path.name: fault for path, fault in outcome.faults.items()}


def test_files_that_are_at_peace_hold_as_they_are():
    assert settled(b=Found(wanted=version("y")), a=Found(wanted=version("x"))) == ({"a": ["x"], "b": ["y"]}, {})


def test_a_file_that_cannot_be_read_keeps_what_held():
    assert settled(a=Found(held=version("x")), b=Found()) == ({"a": ["x"]}, {})


def test_among_new_files_the_first_by_name_has_what_both_claim():
    names, faults = settled(b=Found(wanted=version("x", "y")), a=Found(wanted=version("x")))
    assert names == {"a": ["x"]}
    assert faults == {"b": "line of x: x belongs to an account in a already"}


def test_what_has_held_goes_before_what_is_new():
    held = version("x")
    names, faults = settled(a=Found(wanted=version("x")), b=Found(wanted=held, held=held))
    assert names == {"b": ["x"]}
    assert list(faults) == ["a"]


def test_a_change_that_clashes_leaves_its_file_as_it_was():
    held = version("y")
    names, faults = settled(a=Found(wanted=version("x", "y"), held=version("x")), b=Found(wanted=held, held=held))
    assert names == {"a": ["x"], "b": ["y"]}
    assert faults == {"a": "line of y: y belongs to an account in b already"}


def test_an_account_may_move_from_one_file_to_another():
    names, faults = settled(
        a=Found(wanted=version("x", "y"), held=version("x")), b=Found(wanted=version("z"), held=version("y"))
    )
    assert (names, faults) == ({"a": ["x", "y"], "b": ["z"]}, {})


def test_whoever_falls_back_to_what_held_takes_it_from_a_newcomer():
    """Since b may not have c's z, it keeps y, which a wanted."""
    held = version("z")
    names, faults = settled(
        a=Found(wanted=version("x", "y"), held=version("x")),
        b=Found(wanted=version("z"), held=version("y")),
        c=Found(wanted=held, held=held),
    )
    assert names == {"a": ["x"], "b": ["y"], "c": ["z"]}
    assert sorted(faults) == ["a", "b"]


versions = st.none() | st.sets(st.sampled_from("uvwxyz"), max_size=3)


@given(
    st.dictionaries(st.sampled_from("abcde"), st.tuples(versions, st.booleans())), st.lists(st.sampled_from("uvwxyz"))
)
def test_whatever_is_found_no_two_hold_the_same_and_what_held_goes_on(wanted, held):
    """Each held version claims one name that no other does, as any outcome of an earlier settling would."""
    owned = dict(zip("abcde", dict.fromkeys(held), strict=False))
    found = {}
    for name, (claims, unchanged) in wanted.items():
        before = version(owned[name]) if name in owned else None
        now = before if unchanged else None if claims is None else version(*claims)
        found[name] = Found(wanted=now, held=before)
    names, faults = settled(**found)
    taken = [claim for claims in names.values() for claim in claims]
    assert len(taken) == len(set(taken))
    assert all(name in names for name in found if name in owned), "what held may always stay"
    assert all(found[name].wanted is not None for name in faults)
