"""What may be read again is bounded in number, bytes and time."""

import asyncio
from typing import Any

import pytest

from unspoken.api.chat.answers import Answers
from unspoken.api.chat.generation import Generation
from unspoken.api.chat.kept import Kept
from unspoken.errors import Unavailable
from unspoken.store.columns import now
from unspoken.store.tables import Project


def generation(name: str, size: int = 0) -> Generation:
    """One with an answer of that id, which holds so many bytes."""
    nothing: Any = None
    made = Generation(Project(id="p"), nothing, nothing, now(), Answers([name]), lambda *_: None)
    if size:
        made.add(b"x" * size)
    return made


def run(*, seconds=60.0, most=2, most_bytes=100, sizes=(0, 0, 0), ended=True):
    """Names of the generations that are kept after so many, and the keeper."""

    async def work():
        kept = Kept(seconds, most, most_bytes)
        for name, size in zip("abcdefgh", sizes, strict=False):
            one = generation(name, size)
            kept.start(one)
            kept.grew(size)
            if ended:
                kept.ended(one)
        if seconds == 0:
            await asyncio.sleep(0.01)
        return kept, [name for name in "abcdefgh" if kept.find("p", name)]

    return asyncio.run(work())


def test_the_one_that_ended_first_goes_when_there_are_too_many():
    kept, names = run(sizes=(1, 1, 1))
    assert names == ["b", "c"]
    assert kept.size == (2, 2)


def test_the_one_that_ended_first_goes_when_there_are_too_many_bytes():
    kept, names = run(most=10, sizes=(40, 50, 60))
    assert names == ["c"]
    assert kept.size == (1, 60)


def test_none_is_kept_beyond_its_time():
    kept, names = run(seconds=0)
    assert names == []
    assert kept.size == (0, 0)


def test_those_that_run_never_go_and_no_more_are_taken():
    kept, names = run(sizes=(1, 1, 1), ended=False)
    assert names == ["a", "b", "c"]
    with pytest.raises(Unavailable):
        kept.room()


def test_another_project_finds_nothing():
    kept, _ = run()
    assert kept.find("q", "c") is None
