"""A little ahead of whoever uses the results, so that reading and counting do not wait for each other."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 2  # what is held in memory at a time, beside the result that is being used
Result = TypeVar("Result")


def ahead(calls: Iterable[Callable[[], Result]]) -> Generator[Result]:
    """What each of the calls returns, or raises, in their order; AT_ONCE of them run meanwhile."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made: deque[Future[Result]] = deque()
        for call in calls:
            if len(made) == AT_ONCE:
                yield made.popleft().result()
            made.append(pool.submit(call))
        while made:
            yield made.popleft().result()
