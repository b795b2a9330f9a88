"""Which files may hold a stretch of conversations."""

from hypothesis import given
from hypothesis import strategies as st

from unspoken.store.sealed import File, near

TALKS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=9).map(sorted)


def sealed(name: str, talks: list[str], known: bool) -> File:
    return File(name, len(talks), talks[::2], talks[-1] if known else None)


@given(st.lists(st.tuples(TALKS, st.booleans())), st.text("abc"), st.none() | st.text("abc"))
def test_no_file_that_holds_one_is_left_out_and_none_that_is_known_to_hold_none_is_read(drawn, first, last):
    files = [sealed(str(number), talks, known) for number, (talks, known) in enumerate(drawn)]
    found = near(files, first, last)
    for file, (talks, known) in zip(files, drawn, strict=True):
        if any(first <= talk and (last is None or talk <= last) for talk in talks):
            assert file in found
        elif known and (talks[-1] < first or (last is not None and talks[0] > last)):
            assert file not in found
