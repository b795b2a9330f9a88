"""What SOURCE on the command line stands for: its events, and what is known about where they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput

# Files are read by whoever has them: their users' hashes need to be equal from run to run, and hide nothing.
FILE_SECRET = "00" * 32


@dataclass(frozen=True)
class Source:
    """Events as POST /v1/events takes them. `about` goes into the dataset and the report; `recipe` labels them."""

    name: str
    events: Iterator[dict[str, Any]]
    recipe: str
    about: dict[str, Any]

    @property
    def simulated(self) -> bool:
        """Whether no person in it exists."""
        return bool(self.about.get("simulated"))


def opened(name: str) -> Source:
    """A world folder, an events file (.jsonl, .jsonl.gz), or `chitchat`; BadInput when there is no such thing."""
    if name == "chitchat" and not Path(name).exists():
        return chitchat()
    if not Path(name).exists():
        raise BadInput(
            f"There is no {name}. A source is a world folder (unspoken simulate --out WORLD), a file of events named "
            ".jsonl or .jsonl.gz, or the word chitchat."
        )
    return world(Path(name))


def world(path: Path) -> Source:
    """A world folder or a file of events."""
    from unspoken.sources import world as worlds

    told = worlds.about(path)
    about: dict[str, Any] = {"project": path.resolve().name, "simulated": False, "facts": [f"Events of {path.name}."]}
    if told.get("simulated"):
        from unspoken.simulate.world import ASSUMPTIONS, FACTS

        about |= {"simulated": True, "facts": list(FACTS), "assumptions": list(ASSUMPTIONS)}
        made = told.get("world", {})
        rho = made.get("rho") if isinstance(made, dict) else None
        if isinstance(rho, int | float) and -1 <= rho <= 1:
            about["truth"] = {"rho": rho}
    return Source(about["project"], worlds.events(path), "chat", about)


def chitchat(limit: int | None = None) -> Source:
    """Real chats of two people each; at most `limit` of them."""
    from unspoken.sources import chitchat as chats

    about = {
        "project": "chitchat",
        "simulated": False,
        "facts": list(chats.FACTS),
        "assumptions": list(chats.ASSUMPTIONS),
    }
    return Source("chitchat", chats.events(chats.load(), limit), chats.RECIPE, about)
