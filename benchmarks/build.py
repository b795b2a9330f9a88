"""What does a worker's build of a dataset cost: the first one, the next with nothing new, the next with 1 % new?

Chats are drawn as for benchmarks/convert and stand in SQLite. Each build runs in a process of its own, from the
database to the saved dataset; what is kept between builds lies in the home folder. What is new is one event in each of
a hundredth of the conversations: the last ones, or any.
Run: make bench NAME=build
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "benchmarks" / "results"
FILLED = ROOT / ".bench" / "build"
SEED = 1
TOUCHED = 0.01


def main() -> None:
    """Measure, print, write results/build.json."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 3])
    parser.add_argument("--only", help="these builds, with commas (not written to the results)")
    chosen = parser.parse_args()
    figures = {f"{millions:g}m": measured(millions, chosen.only) for millions in chosen.millions}
    print(json.dumps(figures, indent=1))
    if chosen.only:
        return
    result = {
        "name": "build",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("unspoken", "polars")},
        "settings": {"millions": chosen.millions, "seed": SEED, "touched": TOUCHED},
        "figures": figures,
    }
    (RESULTS / "build.json").write_text(json.dumps(result, indent=1) + "\n")


def measured(millions: float, only: str | None) -> dict[str, Any]:
    """What each build says of itself."""
    import polars as pl
    from benchmarks.build_parts.filling import shared

    from unspoken.store import projects
    from unspoken.store.database import connect, reading

    filled = drawn(millions)
    with TemporaryDirectory(prefix="build-") as home:
        shutil.copy(filled / "unspoken.db", home)
        engine = connect(f"sqlite:///{home}/unspoken.db")
        with reading(engine) as session:
            project = projects.get(session, "bench").id
        answers = pl.read_parquet(filled / "answers.parquet")
        few = int(len(answers) * TOUCHED)
        news = {
            "first": None,
            "nothing": None,
            "last": answers.tail(few),
            "anywhere": answers.gather_every(len(answers) // few, 1),
        }
        found = {}
        for number, (name, touched) in enumerate(news.items()):
            if only and name not in only.split(","):
                continue
            if touched is not None:
                shared(engine, touched, number)
            found[name] = run(project, home)
        engine.dispose()
    return found


def drawn(millions: float) -> Path:
    """A folder with the database of so many million events, made once."""
    from benchmarks.build_parts.filling import fill

    from unspoken import migrate
    from unspoken.store import projects
    from unspoken.store.database import connect, transaction

    folder = FILLED / f"{millions:g}"
    if (folder / "answers.parquet").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    engine = connect(f"sqlite:///{folder}/unspoken.db")
    migrate.upgrade(engine)
    with transaction(engine) as session:
        projects.create(session, "bench")
    answers = fill(engine, int(millions * 1e6), SEED)
    engine.dispose()  # the last to close writes the log back into the file
    answers.write_parquet(folder / "answers.parquet")
    return folder


def run(project: str, home: str) -> dict[str, Any]:
    """One build in its own process."""
    command = [sys.executable, "-m", "benchmarks.build_parts.job", project]
    environment = {**os.environ, "UNSPOKEN_HOME": home, "UNSPOKEN_DATABASE_URL": f"sqlite:///{home}/unspoken.db"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    told: dict[str, Any] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    main()
