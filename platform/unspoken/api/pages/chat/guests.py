"""Who may use the chat, and how much of it: every answer costs this server's time or somebody's money."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from fastapi import Request

from unspoken.api.deps import at_this_machine
from unspoken.errors import NotAllowed, NotFound, TooMany
from unspoken.settings import settings

BURST = 40.0  # answers that one address may ask for at once …
REFILL_S = 2.0  # … and another one each so many seconds
MOST_RUNNING = 6  # of one address at the same time: a side-by-side choice takes two
MOST_RUNNING_ALL = 50
MOST_ADDRESSES = 10_000


def admitted(request: Request) -> None:
    """NotFound where there is no chat; NotAllowed says who may chat here."""
    chat = settings().chat
    if chat == "off":
        raise NotFound("There is no chat on this server (UNSPOKEN_CHAT=off).")
    if chat == "local" and not at_this_machine(request):
        raise NotAllowed(
            "This chat is for visitors at the machine itself, under http://127.0.0.1 or http://localhost. Whoever runs "
            "this server can open it to everybody who reaches it: UNSPOKEN_CHAT=open."
        )


def origin(request: Request) -> str | None:
    """The page's own origin, to which its key is restricted: at this machine. Elsewhere a visitor says what it is."""
    if settings().chat != "local":
        return None
    return f"http://{request.headers['host'].lower()}"


class Guests:
    """What each address has asked for lately. Each server process counts for itself."""

    def __init__(self) -> None:
        self._level: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address → (answers left, when)
        self._running: dict[str, int] = {}

    def enter(self, address: str) -> Callable[[], None]:
        """One more answer for that address, until what is given back is called, once or more often. TooMany."""
        running = self._running.get(address, 0)
        if running >= MOST_RUNNING or sum(self._running.values()) >= MOST_RUNNING_ALL:
            raise TooMany("Too many answers are being written at once. Stop one, or wait until one has ended.", 2)
        at = monotonic()
        left, since = self._level.pop(address, (BURST, at))
        left = min(BURST, left + (at - since) / REFILL_S)
        wait = 0 if left >= 1 else round((1 - left) * REFILL_S) or 1
        self._level[address] = (left if wait else left - 1, at)
        if len(self._level) > MOST_ADDRESSES:
            self._level.popitem(last=False)
        if wait:
            raise TooMany(f"That was much in a short time. The chat goes on in {wait} s.", wait)
        self._running[address] = running + 1
        here = [address]

        def leave() -> None:
            while here:
                self._leave(here.pop())

        return leave

    def _leave(self, address: str) -> None:
        left = self._running.pop(address, 0) - 1
        if left > 0:
            self._running[address] = left
