"""`unspoken demo`: the whole loop on real chats and on two simulated worlds whose truth is known.

Nothing here is special to the demo: events go through the same ingest as HTTP, jobs through the same workers as
`unspoken up`, and what they make stays in the home folder, where `unspoken up` shows it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from unspoken import __version__, jobs, migrate, up
from unspoken.cli import source as sources
from unspoken.cli.importing import ingest
from unspoken.errors import Conflict, Unavailable
from unspoken.jobs import broker
from unspoken.report.words import interval, two
from unspoken.settings import settings
from unspoken.store import database, projects, reports
from unspoken.store.tables import Event, Job

SEED = 7
LOOK_S = 0.25
# What share of a project's work each step is, for the bar.
STEPS = {"project.refresh": 0.15, "run.train": 0.3, "report.compare": 0.25}
SHORT_CHATS, SHORT_USERS = 1200, 150


@dataclass
class Part:
    """One project of the demo."""

    name: str
    title: str
    rho: float | None = None


PARTS = (
    Part("chitchat", "real chats (chitchat-dataset)"),
    Part("simulated-same", "SIMULATED, ρ = 1", 1.0),
    Part("simulated-apart", "SIMULATED, ρ = .3", 0.3),
)


class _Bars:
    """A bar for each piece of work on a terminal; elsewhere a line at every fifth of it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._columns = (
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}")
        )  # fmt: skip
        self._live = Progress(*self._columns, console=console) if console.is_terminal else None
        self._fifths: dict[str, int] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def add(self, what: str) -> Callable[[float, str], None]:
        """A new piece of work, and the function that is told (share 0 … 1, note)."""
        if self._live:
            live, task = self._live, self._live.add_task(what, total=1.0, note="")
            return lambda share, note: live.update(task, completed=share, note=note)

        def line(share: float, note: str) -> None:
            fifth = int(share * 5)
            if self._fifths.get(what, -1) < fifth:
                self._fifths[what] = fifth
                self.console.print(f"{what}: {fifth * 20:3d} % {note}", markup=False)

        return line


def run(short: bool = False) -> None:
    """Import, label, train, compare; print a table with the verdicts. What is finished is not done again."""
    console = Console(width=None if Console().is_terminal else 120)
    home = settings().home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    engine = database.connect()
    migrate.upgrade(engine)
    broker.check()
    started = time.monotonic()
    console.print(
        f"One project of real chats and two simulated worlds, into {home}. Simulated people do not exist; "
        "what is assumed of the real ones stands in each report."
    )
    if short:
        console.print("[bold]--short[/]: part of the data. It shows the way; its verdicts prove nothing.")
    with _Bars(console) as bars:
        for part in PARTS:
            _bring(engine, home, part, short, bars)
        _work(engine, home, bars)
    _summary(console, engine)
    console.print(f"{time.monotonic() - started:.0f} s. See all of it in a browser:")
    console.print(up.command("up"), style="bold", markup=False, highlight=False, soft_wrap=True)


def _bring(engine: Engine, home: Path, part: Part, short: bool, bars: _Bars) -> None:
    """Import one part, unless it is there already."""
    done = f"{__version__}{' short' if short else ''}"
    show = bars.add(f"{part.name}: import")
    with database.transaction(engine) as session:
        project = _project(session, part)
        if project.settings.get("imported") == done:
            show(1.0, "there already")
            return
    ingest(engine, _source(home, part, short), part.name, show)
    with database.transaction(engine) as session:
        project = projects.get(session, part.name)
        project.settings = {**project.settings, "imported": done}


def _project(session: Session, part: Part) -> Any:
    """The demo's users are published or made up: a fixed secret gives everybody the same splits and numbers."""
    source = _source(None, part, False)
    return projects.ensure(
        session,
        part.name,
        simulated=part.rho is not None,
        recipe=source.recipe,
        settings={"about": source.about},
        user_secret=sources.FILE_SECRET,
    )


def _source(home: Path | None, part: Part, short: bool) -> sources.Source:
    if part.rho is None:
        return sources.chitchat(SHORT_CHATS if short else None)
    from unspoken.simulate.config import RECIPE, World
    from unspoken.simulate.world import ASSUMPTIONS, FACTS, simulate

    about = {
        "project": part.name,
        "simulated": True,
        "facts": list(FACTS),
        "assumptions": list(ASSUMPTIONS),
        "truth": {"rho": part.rho},
    }
    if home is None:
        return sources.Source(part.name, iter(()), RECIPE, about)
    world = World(name=part.name, rho=part.rho, **({"users": SHORT_USERS} if short else {}))
    made = sources.world(simulate(world, SEED, home / "worlds" / part.name))
    return sources.Source(part.name, made.events, made.recipe, about)


def _work(engine: Engine, home: Path, bars: _Bars) -> None:
    """Queue what has no report of its newest events yet, and follow it to its end."""
    with database.transaction(engine) as session:
        waiting = [part for part in PARTS if not _reported(session, part)]
        for part in waiting:
            project = projects.get(session, part.name)
            jobs.enqueue(session, "project.refresh", project_id=project.id, dedupe=f"project.refresh:{project.id}")
    if not waiting:
        return
    with _workers(home) as services:
        shows = {part.name: bars.add(f"{part.name}: label, train, report") for part in waiting}
        while shows:
            for service in services:
                service.look(bars.console.print)
            with database.reading(engine) as session:
                for name in list(shows):
                    if _follow(session, name, shows[name]):
                        del shows[name]
            time.sleep(LOOK_S)


@contextmanager
def _workers(home: Path) -> Iterator[list[up.Service]]:
    """Workers and scheduler for as long as the block runs; none where `unspoken up` has them running on this home."""
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    services: list[up.Service] = []
    with ExitStack() as held:
        try:
            held.enter_context(up.only_one(home))
        except Conflict:
            yield services
            return
        for name, arguments in (("data", ["--queue", "data"]), ("gpu", ["--queue", "gpu"]), ("scheduler", ["--beat"])):
            services.append(up.Service(name, ["worker", *arguments], logs / f"{name}.log"))
        try:
            for service in services:
                service.start()
            yield services
        finally:
            up.stop(services)


def _follow(session: Session, name: str, show: Callable[[float, str], None]) -> bool:
    """Move one project's bar; True when its chain is over. Unavailable with the reason when it could not finish."""
    project = projects.get(session, name)
    rows = session.scalars(
        select(Job).where(Job.project_id == project.id).order_by(Job.created_at.desc()).limit(8)
    ).all()
    chain: list[Job] = []
    for row in rows:  # newest first, back to the step that began the chain
        chain.append(row)
        if row.name == "project.refresh":
            break
    done = sum(STEPS[row.name] * (1.0 if row.state in ("done", "failed") else row.progress) for row in chain)
    newest = chain[0]
    family = newest.arguments.get("family", "")
    show(done, " ".join(word for word in (newest.name, family, newest.note) if word))
    if newest.state == "failed" and newest.name != "run.train":
        raise Unavailable(f"{name}: {newest.name} failed. {newest.error}")
    if newest.name == "report.compare" and newest.state == "done":
        show(1.0, "reported")
        return True
    return False


def _reported(session: Session, part: Part) -> bool:
    """Whether the newest report is of this version's rules and younger than the newest event."""
    project = projects.get(session, part.name)
    found = reports.listed(session, project.id)
    newest = session.scalar(select(func.max(Event.received_at)).where(Event.project_id == project.id))
    return bool(found) and (newest is None or found[0].created_at > newest) and Path(found[0].folder).is_dir()


def _summary(console: Console, engine: Engine) -> None:
    table = Table(title="What people say and what they do", show_lines=True)
    for column in ("project", "labels go together?", "ρ̃ of the models [95 %]", "truth", "verdict of the models"):
        table.add_column(column, overflow="fold")
    pages = []
    with database.reading(engine) as session:
        for part in PARTS:
            report = reports.listed(session, projects.get(session, part.name).id)[0]
            verdict = report.summary
            rho = verdict.get("rho")
            table.add_row(
                part.title,
                verdict["labels_sentence"],
                interval(rho) if rho else "not printed",
                two(part.rho) if part.rho is not None else "not known",
                f"[bold]{verdict['label']}[/]",
            )
            pages.append(f"{part.name}: {Path(report.folder) / 'index.html'}")
    console.print(table)
    console.print("Real: the chats and ratings of chitchat. Simulated: the other two; their ρ is known, as a check.")
    console.print(
        "Assumed of the real chats: who writes second stands for the chatbot; the rating is the user's, though who "
        "rated is not recorded; writing again is what liking does. More in each report."
    )
    for page in pages:
        console.print(page, soft_wrap=True)
