"""What SOURCE on the command line stands for: its events, and what is known about where they come from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unspoken.errors import BadEvent, BadInput
from unspoken.sources.reading import Reading

if TYPE_CHECKING:
    import polars as pl

    from unspoken.events import Event

# Files are read by whoever has them: their users' hashes need to be equal from run to run, and hide nothing.
FILE_SECRET = "00" * 32


@dataclass(frozen=True)
class Source:
    """Events as POST /v1/events takes them. `about` goes into the dataset and the report; `recipe` labels them.

    `reading` counts, while events are taken, how far they are and what was left out. `files` and `words` are what the
    events follow from: of equal ones come equal events.
    """

    name: str
    events: Iterator[dict[str, Any]]
    recipe: str
    about: dict[str, Any]
    reading: Reading = field(default_factory=Reading)
    files: tuple[Path, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether no person in it exists."""
        return bool(self.about.get("simulated"))


@dataclass(frozen=True)
class Recorded:
    """frames.MESSAGES and frames.EVENTS that may be learned from, texts by message id, the funnel's step before."""

    messages: "pl.DataFrame"
    events: "pl.DataFrame"
    text_of: dict[str, str]
    before: list[dict[str, Any]]


class Importer(Protocol):
    """What every module of unspoken.sources has to say about itself."""

    @property
    def RECIPE(self) -> str:
        """How its labels are made."""
        ...

    @property
    def FACTS(self) -> tuple[str, ...]:
        """What can be counted in it."""
        ...

    @property
    def ASSUMPTIONS(self) -> tuple[str, ...]:
        """What is a choice of ours."""
        ...


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
    from unspoken.pairs.recipe import RECIPES
    from unspoken.sources import world as worlds

    told = worlds.about(path)
    about: dict[str, Any] = {"project": path.resolve().name, "simulated": False, "facts": [f"Events of {path.name}."]}
    # Nobody knows what a living person really wants: where that is written down, people were made up.
    ours = worlds.simulated(path)
    # A world's file is asked for without its folder, too.
    folder = path.parent if path.name == worlds.FILE else path
    if ours or worlds.about(folder).get("simulated", (folder / "truth").is_dir()):
        about |= _simulated(told, ours)
    # An export says what its project was told of its events.
    about |= {name: told[name] for name in ("facts", "assumptions") if _sentences(told.get(name))}
    recipe = told.get("recipe", "chat")
    if recipe not in RECIPES:
        raise BadInput(
            f"{path / 'world.toml'} names the recipe {recipe!r}; there are {', '.join(sorted(RECIPES))}. Name one of "
            "them there, or take that line out: it is chat then."
        )
    reading = Reading()
    files = (worlds.events_file(path),)
    return Source(about["project"], worlds.events(path, reading), recipe, about, reading, files, ("world",))


def _simulated(told: dict[str, Any], marked: bool) -> dict[str, Any]:
    """What is said of people who do not exist: our own simulator's world, or another program's."""
    from unspoken.simulate.world import ASSUMPTIONS, FACTS

    made = told.get("world")
    ours = marked or isinstance(made, dict)
    rho = made.get("rho") if isinstance(made, dict) else told.get("rho", told.get("ρ"))
    known = isinstance(rho, int | float) and not isinstance(rho, bool) and -1 <= rho <= 1
    return {
        "simulated": True,
        "facts": list(FACTS) if ours else ["SIMULATED: no person in this world exists. Another program made it."],
        "assumptions": list(ASSUMPTIONS) if ours else ["Who made the world says how: see its world.toml."],
    } | ({"truth": {"rho": rho}} if known else {})


def recorded(source: Source) -> Recorded:
    """Everything a source says, without what people did not agree to; BadEvent names the event that is off."""
    import polars as pl

    from unspoken.consent import TRAINING, allows
    from unspoken.events import parse
    from unspoken.frames import REFUSED
    from unspoken.pairs.consented import consented
    from unspoken.signals.reading import frames

    refused: list[tuple[str, bool]] = []

    def parsed() -> "Iterator[Event]":
        for number, item in enumerate(source.events, start=1):
            try:
                event = parse(item)
            except BadEvent as error:
                raise BadEvent(f"{source.name}, event {number}: {error.detail}", error.field) from error
            if not allows(event.consent, TRAINING, assumed=True):
                refused.append((event.id, True))
            yield event

    messages, events, text_of = frames(parsed(), FILE_SECRET)
    said = pl.DataFrame(refused, schema=dict(REFUSED), orient="row").unique("event")
    messages, events, before = consented(messages, events, said)
    return Recorded(messages, events, text_of, before)


def chitchat(limit: int | None = None) -> Source:
    """Real chats of two people each; at most `limit` of them."""
    from unspoken.sources import chitchat as chats

    words = ("chitchat", chats.FACTS[0], str(limit))
    reading = Reading()
    return _source("chitchat", chats, chats.events(chats.load(), limit), reading, (), words)


def openai(path: Path, scale: tuple[float, float] | str | None = None) -> Source:
    """Chat logs, fine-tuning and preference files in OpenAI's form."""
    from unspoken.sources import openai as logs

    reading = Reading()
    return _source(_stem(path), logs, logs.events(path, reading, scale), reading, (path,), ("openai", str(scale)))


def openwebui(path: Path) -> Source:
    """Open WebUI's webui.db."""
    from unspoken.sources import openwebui as database

    reading = Reading()
    return _source("openwebui", database, database.events(path, reading), reading, (path,), ("openwebui",))


def oasst(path: Path) -> Source:
    """OpenAssistant's trees."""
    from unspoken.sources import oasst as trees

    reading = Reading()
    return _source("oasst", trees, trees.events(path, reading), reading, (path,), ("oasst",))


def halie(folder: Path) -> Source:
    """HALIE's dialogues or metaphors, whichever lie in the folder."""
    from unspoken.sources import halie as dialogue
    from unspoken.sources import halie_metaphor

    reading, part, files = Reading(), dialogue.part(folder), dialogue.files(folder)
    said: Importer = halie_metaphor if part == "metaphor" else dialogue
    return _source(f"halie-{part}", said, dialogue.events(folder, reading), reading, files, ("halie",))


def realhumaneval(path: Path) -> Source:
    """RealHumanEval's chats."""
    from unspoken.sources import realhumaneval as chats

    reading = Reading()
    return _source("realhumaneval", chats, chats.events(path, reading), reading, (path,), ("realhumaneval",))


def table(path: Path, columns: dict[str, str], scale: tuple[float, float] | None = None) -> Source:
    """A CSV or Parquet table, by a mapping of our names to its columns."""
    from unspoken.sources import table as tables

    reading = Reading()
    words = ("table", str(sorted(columns.items())), str(scale))
    return _source(_stem(path), tables, tables.events(path, columns, reading, scale), reading, (path,), words)


def _sentences(said: object) -> bool:
    return isinstance(said, list) and bool(said) and all(isinstance(each, str) for each in said)


def _stem(path: Path) -> str:
    return path.name.partition(".")[0] or "table"


def _source(
    name: str,
    importer: Importer,
    events: Iterator[dict[str, Any]],
    reading: Reading,
    files: tuple[Path, ...],
    words: tuple[str, ...],
) -> Source:
    about = {
        "project": name,
        "simulated": False,
        "facts": list(importer.FACTS),
        "assumptions": list(importer.ASSUMPTIONS),
    }
    return Source(name, events, importer.RECIPE, about, reading, files, words)
